import { once } from "node:events";
import { createServer } from "node:net";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { doOthersListen, parseListeningSockets } from "./listening-ports.ts";

const HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode";
/** As the kernel prints it. */
const LISTENS = "   0: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4711 1 0";
const OF_PROXY = "   1: 00000000:3A9E 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1337        0 4712 1 0";
const CONNECTED = "   2: 0100007F:1F90 0100007F:D2F0 01 00000000:00000000 00:00000000 00000000  1000        0 4713 1 0";
const IPV6 =
  "   0: 00000000000000000000000000000000:0050 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4714 1 0";

describe("the kernel's table", () => {
  it("shows listening sockets with their users", () => {
    expect(parseListeningSockets([HEAD, LISTENS, OF_PROXY, CONNECTED, ""].join("\n"))).toEqual([
      { port: 8080, uid: 1000 },
      { port: 15_006, uid: 1337 },
    ]);
    expect(parseListeningSockets(`${HEAD}\n${IPV6}\n`)).toEqual([{ port: 80, uid: 0 }]);
  });

  it("in any other form shows none, and never fails", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(Array.isArray(parseListeningSockets(text))).toBe(true);
      }),
    );
  });

  it.each([
    { name: "the application", tables: { tcp: LISTENS, tcp6: "" }, others: true },
    { name: "the application, on IPv6 alone", tables: { tcp: OF_PROXY, tcp6: IPV6 }, others: true },
    { name: "the proxy alone", tables: { tcp: OF_PROXY, tcp6: "" }, others: false },
    { name: "nobody who listens", tables: { tcp: CONNECTED, tcp6: "" }, others: false },
  ])("shows $name", ({ tables, others }) => {
    expect(doOthersListen(1337, (name) => tables[name])).toBe(others);
  });

  it("that cannot be read counts as empty", () => {
    const read = (name: "tcp" | "tcp6"): string => {
      if (name === "tcp6") throw new Error("ENOENT");
      return LISTENS;
    };
    expect(doOthersListen(1337, read)).toBe(true);
  });

  it.skipIf(process.platform !== "linux")("of this machine shows a server of this process", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    expect(doOthersListen((process.getuid?.() ?? 0) + 1)).toBe(true);
    server.close();
  });
});
