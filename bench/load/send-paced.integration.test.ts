import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { countDue, sendPaced } from "./send-paced.ts";

const ANSWER = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
let server: Server | undefined;
const sockets = new Set<Socket>();

afterEach(() => {
  for (const socket of sockets) socket.destroy();
  server?.close();
});

/** Calls with each request and its number, the warming ones included. */
async function serve(answer: (socket: Socket, number: number) => void): Promise<number> {
  let number = 0;
  server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.on("data", () => {
      number += 1;
      answer(socket, number);
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  return address === null || typeof address === "string" ? 0 : address.port;
}

const job = (port: number, connections: number) =>
  ({ kind: "paced", host: "127.0.0.1", port, file: "/", seconds: 1, rate: 100, connections }) as const;

it.each([
  { elapsedMs: 0, expected: 0 },
  { elapsedMs: 9.9, expected: 0 },
  { elapsedMs: 10, expected: 1 },
  { elapsedMs: 1005, expected: 100 },
])("at 100 requests/s $expected are due after $elapsedMs ms", ({ elapsedMs, expected }) => {
  expect(countDue(100, elapsedMs)).toBe(expected);
});

describe("requests at fixed times", () => {
  it("are sent at their rate and all answered", async () => {
    const port = await serve((socket) => socket.write(ANSWER));
    const { count, failures, seconds } = await sendPaced(job(port, 4));
    expect({ count, failures }).toEqual({ count: 100, failures: 0 });
    expect(seconds).toBeGreaterThan(0.95);
  });

  it("feel a stall as often as it delays them: the wait for a connection counts", async () => {
    const port = await serve((socket, number) => {
      if (number === 11) setTimeout(() => socket.write(ANSWER), 500);
      else socket.write(ANSWER);
    });
    const { count, latencyMs } = await sendPaced(job(port, 1));
    expect(count).toBe(100);
    // About 50 requests were due while the only connection was stuck, and waited 250 ms in the mean.
    expect(latencyMs?.p90).toBeGreaterThan(300);
  });

  it("count as failed where the connection was lost or nothing but a 200 came", async () => {
    const port = await serve((socket, number) => {
      if (number === 10) socket.destroy();
      else if (number === 20) socket.write("HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n");
      else socket.write(ANSWER);
    });
    const { count, failures } = await sendPaced(job(port, 4));
    expect({ count, failures }).toEqual({ count: 98, failures: 2 });
  });
});
