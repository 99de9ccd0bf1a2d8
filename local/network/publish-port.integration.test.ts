import { once } from "node:events";
import { createServer, type Server } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type PublishedPort, publishPort } from "./publish-port.ts";

let other: Server;
let taken: number;
const opened: PublishedPort[] = [];

beforeEach(async () => {
  other = createServer().listen(0, "127.0.0.1");
  await once(other, "listening");
  const address = other.address();
  taken = typeof address === "object" && address !== null ? address.port : 0;
});

afterEach(async () => {
  await Promise.all(opened.splice(0).map((port) => port.close()));
  other.close();
});

async function publish(...request: Parameters<typeof publishPort>): Promise<number> {
  const port = await publishPort(...request);
  opened.push(port);
  return port.port;
}

describe("a port on which another program listens", () => {
  it("is an error that names the port if the user chose it", async () => {
    await expect(publish({ hostPort: taken })).rejects.toThrow(
      `port ${taken} of 127.0.0.1 is in use; stop the program that listens there, or choose another with --publish`,
    );
  });

  it("is replaced by a free one if any port is acceptable", async () => {
    const port = await publish({ hostPort: taken, whenTaken: "use_another" });
    expect(port).not.toBe(taken);
    expect(port).toBeGreaterThan(0);
  });
});

it("a free port is used as requested", async () => {
  other.close();
  await once(other, "close");
  expect(await publish({ hostPort: taken, whenTaken: "use_another" })).toBe(taken);
});
