/** Runs in a pod: a SPIFFE bundle endpoint on 8443, which serves what it was started with. */
import { createServer } from "node:https";

const { certificate: cert, key, bundle } = JSON.parse(process.argv[1] ?? "");

createServer({ cert, key }, (_request, response) => {
  response.writeHead(200, { "content-type": "application/json" }).end(bundle);
}).listen(8443);
process.once("SIGTERM", () => process.exit());
