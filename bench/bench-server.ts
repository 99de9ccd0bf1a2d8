/** Answers every request with 1 KB, as in the case that Istio publishes figures for. */
import { createServer } from "node:http";

const BODY = Buffer.alloc(1024, "e");
const HEADERS = { "content-type": "application/octet-stream", "content-length": BODY.length };

const server = createServer((_request, response) => {
  response.writeHead(200, HEADERS);
  response.end(BODY);
});
server.listen(8080);
process.once("SIGTERM", () => {
  server.close();
  server.closeAllConnections();
});
