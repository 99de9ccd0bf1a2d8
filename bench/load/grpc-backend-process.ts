/**
 * The backend of gRPC loads: HTTP/2 with prior knowledge on a free port of loopback, which it prints. What it answers is in
 * grpc-responder.ts.
 */
import { createServer, type Socket } from "node:net";
import { GrpcResponder } from "./grpc-responder.ts";

const WRITE_BYTES = 65_536;

function serve(socket: Socket): void {
  const responder = new GrpcResponder();
  const pump = (): void => {
    while (!socket.writableNeedDrain && !socket.destroyed) {
      const bytes = responder.take(WRITE_BYTES);
      if (bytes === undefined) return;
      socket.write(bytes);
    }
  };
  socket.setNoDelay(true);
  socket.on("error", () => socket.destroy());
  socket.on("drain", pump);
  socket.on("data", (chunk: Buffer) => {
    responder.push(chunk);
    pump();
  });
  pump();
}

const server = createServer(serve);
server.listen({ port: 0, host: "127.0.0.1", backlog: 4096 }, () => {
  const address = server.address();
  process.stdout.write(`${address === null || typeof address === "string" ? 0 : address.port}\n`);
});
process.once("SIGTERM", () => process.exit());
