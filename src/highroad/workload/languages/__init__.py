"""One module per language, each with `recognise(source, toolchains) -> Found | None`. `detect` asks them in order."""
