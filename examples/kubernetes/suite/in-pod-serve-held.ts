/** Runs in a pod: servers of HTTP/1.1, gRPC and TCP that send the beginning of a response and never end it. */
import { createServer } from "node:http";
import { createServer as createHttp2Server } from "node:http2";
import { createServer as createTcpServer } from "node:net";

const ignore = (): void => undefined;
/** An empty message behind gRPC's prefix. */
const MESSAGE = Buffer.alloc(5);

createServer((_request, response) => void response.on("error", ignore).write("begun\n")).listen(8080);
createTcpServer((socket) => void socket.on("error", ignore).write("begun\n")).listen(9000);
createHttp2Server()
  .on("sessionError", ignore)
  .on("stream", (stream) => {
    stream.on("error", ignore).respond({ ":status": 200, "content-type": "application/grpc" });
    stream.write(MESSAGE);
  })
  .listen(50_051);
process.once("SIGTERM", () => process.exit());
