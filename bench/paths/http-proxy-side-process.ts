/** One side of a path made of http-proxy 1.18.1 with keep-alive agents, for the bench. Its argument is a `SideJob`. */
import { readFileSync } from "node:fs";
import { Agent, createServer, type RequestListener, type Server } from "node:http";
import { createServer as createTlsServer, Agent as TlsAgent } from "node:https";
import HttpProxy from "http-proxy";
import { SERVER_NAME } from "./identities.ts";
import type { SideJob } from "./side-job.ts";

const job: SideJob = JSON.parse(process.argv[2] ?? "{}");
const pem = readFileSync(job.certificateFile);
const tls = { cert: pem, key: pem, ca: readFileSync(job.rootFile), minVersion: "TLSv1.3" } as const;

const proxy = HttpProxy.createProxyServer(
  job.side === "client"
    ? {
        target: `https://127.0.0.1:${job.upstreamPort}`,
        agent: new TlsAgent({ ...tls, keepAlive: true, servername: SERVER_NAME }),
        secure: true,
      }
    : { target: `http://127.0.0.1:${job.upstreamPort}`, agent: new Agent({ keepAlive: true }) },
);
proxy.on("error", (_error, _request, response) => {
  if ("writeHead" in response && !response.headersSent) response.writeHead(502, { "content-length": 0 });
  response.end();
});

const server = createSide((request, response) => proxy.web(request, response));
server.listen(job.port, "127.0.0.1", () => process.stdout.write("ready\n"));
process.once("SIGTERM", () => process.exit());

function createSide(listener: RequestListener): Server {
  return job.side === "client"
    ? createServer(listener)
    : createTlsServer({ ...tls, requestCert: true, rejectUnauthorized: true }, listener);
}
