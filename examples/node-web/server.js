// A small web server without dependencies: a page at `/`, and `/healthz` for Highroad to see that it serves.
const http = require("node:http");

function answer(request, response) {
  if (request.url === "/healthz") {
    response.writeHead(200, { "content-type": "text/plain" });
    response.end("ok\n");
  } else if (request.url === "/") {
    response.writeHead(200, { "content-type": "text/html; charset=utf-8" });
    response.end("<!doctype html><title>node-web</title><h1>Hello from Highroad</h1>");
  } else {
    response.writeHead(404, { "content-type": "text/plain" });
    response.end("There is no such page.\n");
  }
}

function serve(port) {
  const server = http.createServer(answer);
  server.listen(port, "127.0.0.1");
  // Finish what was begun, then leave: Highroad has stopped sending requests before it asks.
  process.once("SIGTERM", () => server.close(() => process.exit(0)));
  return server;
}

if (require.main === module) serve(process.env.PORT || 3000);
module.exports = { serve };
