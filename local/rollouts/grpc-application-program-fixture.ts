/**
 * For tests: a gRPC application. At SIGTERM it accepts no connection any more, sends GOAWAY, and finishes its calls; its
 * argument is what it does with streams: `ends-streams` ends each one after the next message, `keeps-streams` waits for
 * their clients.
 */
import { createServer, type ServerHttp2Session } from "node:http2";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { Echo } from "../clients/api/gen/echo_pb.ts";

const [mode = "ends-streams"] = process.argv.slice(2);
const sessions = new Set<ServerHttp2Session>();
let isEnding = false;

const serve = connectNodeAdapter({
  routes: (router) => {
    router.service(Echo, {
      unary: (piece) => piece,
      async *bidi(pieces) {
        for await (const piece of pieces) {
          yield piece;
          if (isEnding && mode === "ends-streams") return;
        }
      },
    });
  },
});
const server = createServer(serve);
server.on("session", (session) => {
  sessions.add(session);
  session.once("close", () => sessions.delete(session));
});
server.listen(8080);

process.once("SIGTERM", () => {
  isEnding = true;
  server.close();
  for (const session of sessions) session.close();
});
