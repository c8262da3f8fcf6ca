"""The HTTP server of an exported model: `ppcls serve FOLDER`. Needs the extra `serve`."""
