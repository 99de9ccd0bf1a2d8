import { once } from "node:events";
import { connect, constants, createServer } from "node:http2";
import { afterEach, expect, it } from "vitest";
import { Cleanup } from "../../net/cleanup-fixture.ts";
import { listen } from "../../net/raw-client-fixture.ts";
import { refuseCall } from "./grpc-handler.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

it("refusing a call whose stream has just been closed does not throw", async () => {
  const server = createServer();
  const refused = new Promise<unknown>((resolve) => {
    server.on("stream", (stream) => {
      stream.close(constants.NGHTTP2_CANCEL);
      try {
        resolve(refuseCall(stream));
      } catch (caught) {
        resolve(caught);
      }
    });
  });
  const session = connect(`http://127.0.0.1:${await listen(cleanup, server)}`);
  cleanup.add(() => session.destroy());
  session.on("error", () => undefined);
  await once(session, "connect");
  session.request({ ":path": "/call" }).on("error", () => undefined);
  expect(await refused).toBeUndefined();
});
