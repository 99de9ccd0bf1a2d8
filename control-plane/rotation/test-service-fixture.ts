import { connect, createServer } from "node:net";
import { pipeline } from "node:stream";
import type { Cleanup } from "../../net/cleanup-fixture.ts";
import { listen } from "../../net/listen.ts";

/**
 * For tests: as the Service `istiod`. Each connection goes to the next one of the ports that there are at that moment.
 * Returns its own port. @param localAddress as which it connects, of loopback
 */
export async function startTestService(
  cleanup: Cleanup,
  ports: () => readonly number[],
  localAddress = "127.0.0.1",
): Promise<number> {
  let connections = 0;
  const server = createServer((client) => {
    const all = ports();
    const port = all[connections % all.length];
    connections += 1;
    if (port === undefined) client.destroy();
    else pipeline(client, connect({ port, host: "127.0.0.1", localAddress }), client, () => undefined);
  });
  cleanup.add(() => new Promise<void>((resolve) => void server.close(() => resolve())));
  return await listen(server, { port: 0, host: "127.0.0.1", onError: () => undefined });
}
