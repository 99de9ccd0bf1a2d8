/**
 * For tests: an application that says its pod's name, and what UPSTREAM says if that is set. Its argument is what it does
 * at SIGTERM: `abrupt` exits at once, as most programs do; `graceful` stops accepting, finishes its requests, also those
 * that arrive on a kept connection, and then calls FAREWELL. `/finish` ends it like a Job: it asks the proxy to end, and
 * exits. `/slow` streams a response for three seconds, and `/endless` never ends one.
 */
import { Agent, createServer, request } from "node:http";
import { Server as NetServer } from "node:net";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";

const [end = "abrupt"] = process.argv.slice(2);
const { UPSTREAM: upstream, FAREWELL: farewell, HOSTNAME: host } = process.env;
const agent = new Agent({ keepAlive: true });
let isEnding = false;

const server = createServer(async (incoming, response) => {
  incoming.resume();
  if (isEnding) response.setHeader("connection", "close");
  if (incoming.url === "/finish") return void finish();
  if (incoming.url === "/endless") {
    process.stdout.write("endless\n");
    return void response.write("once\n");
  }
  if (incoming.url === "/slow") {
    process.stdout.write("slow\n");
    for (let piece = 0; piece < 6; piece += 1) {
      response.write(`piece ${piece}\n`);
      await sleep(500);
    }
    return void response.end("the end\n");
  }
  const next = upstream === undefined ? "" : await call(upstream);
  response.end(`served by ${host} ${next}\n`);
});
server.keepAliveTimeout = 60_000;
server.listen(8080);

process.once("SIGTERM", async () => {
  if (end === "abrupt") process.exit(0);
  isEnding = true;
  // Not the HTTP server's own `close`, which would close kept connections that a request is on its way on.
  NetServer.prototype.close.call(server);
  if (farewell === undefined) return;
  // Some time after it has closed its own port, it calls another service.
  await sleep(1500);
  process.stdout.write(`farewell: ${await call(farewell)}\n`);
});

async function finish(): Promise<void> {
  process.stdout.write(`job: ${await call(upstream ?? "")}\n`);
  process.stdout.write(`quit: ${await call("http://127.0.0.1:15020/quitquitquit", "POST")}\n`);
  process.exit(0);
}

function call(url: string, method = "GET"): Promise<string> {
  return new Promise((resolve) => {
    const outgoing = request(url, { agent, method }, async (response) => {
      resolve(`${response.statusCode} ${(await text(response)).trim()}`);
    });
    outgoing.on("error", (error) => resolve(String(error)));
    outgoing.end();
  });
}
