const assert = require("node:assert");
const { once } = require("node:events");
const { test } = require("node:test");
const { serve } = require("../server.js");

async function get(path) {
  const server = serve(0);
  await once(server, "listening");
  try {
    const response = await fetch(`http://127.0.0.1:${server.address().port}${path}`, { headers: { connection: "close" } });
    return { status: response.status, body: await response.text() };
  } finally {
    server.close();
  }
}

test("the page greets", async () => {
  const { status, body } = await get("/");
  assert.equal(status, 200);
  assert.match(body, /Hello from Highroad/);
});

test("it says that it serves", async () => {
  assert.deepEqual(await get("/healthz"), { status: 200, body: "ok\n" });
});

test("an unknown page is not found", async () => {
  assert.equal((await get("/nothing")).status, 404);
});
