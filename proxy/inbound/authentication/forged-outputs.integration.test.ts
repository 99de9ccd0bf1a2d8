import { createServer, type IncomingHttpHeaders } from "node:http";
import { afterEach, describe, expect, it } from "vitest";
import { testTokenRule } from "../../../mesh/policy/request-authentication/token-issuer-fixture.ts";
import { Cleanup } from "../../../net/cleanup-fixture.ts";
import { dialRaw, listen, readUntil, readUntilClosed } from "../../../net/raw-client-fixture.ts";
import { startInboundSide } from "../../inbound-side-fixture.ts";
import { listen as listenRaw } from "../../raw-sockets-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

const RULE = testTokenRule({
  outputClaimToHeaders: [{ header: "x-user", claim: "sub" }],
  outputPayloadToHeader: "user",
});

/** An undeclared port whose requests may have tokens. */
async function startSide(applicationPort: number): Promise<number> {
  const options = { mode: "PERMISSIVE", applicationPort, authorization: { policies: [] }, tokenRules: [RULE] } as const;
  return (await startInboundSide(cleanup, options)).port;
}

/** A server of Node, which reads other protocols as HTTP. */
async function startNodeServer() {
  const seen: IncomingHttpHeaders[] = [];
  const server = createServer(({ headers }, response) => {
    seen.push(headers);
    response.end("served");
  });
  return { seen, port: await startSide(await listen(cleanup, server)) };
}

describe("on an undeclared port, a field with a claim cannot be forged", () => {
  it.each([
    { name: "by RTSP", text: "GET /a RTSP/1.0\r\nHost: a\r\nX-User: root\r\n\r\n" },
    { name: "by RTSP's own targets", text: "OPTIONS rtsp://a RTSP/1.0\r\nX_USER: root\r\n\r\n" },
    { name: "by ICE", text: "SOURCE /a ICE/1.0\r\nHost: a\r\nUser: root\r\n\r\n" },
    { name: "with blanks before the colon", text: "GET /a RTSP/1.0\r\nHost: a\r\nx.user \t: root\r\n\r\n" },
  ])("$name", async ({ text }) => {
    const { seen, port } = await startNodeServer();
    const client = await dialRaw(cleanup, port);
    client.write(text);
    expect(await readUntilClosed(client)).toBe("");
    expect(seen).toEqual([]);
  });

  it("however its bytes are split", async () => {
    const { seen, port } = await startNodeServer();
    const client = await dialRaw(cleanup, port);
    client.setNoDelay(true);
    const closed = readUntilClosed(client);
    for (const piece of ["GET /a RTSP/1.0\r\nHost: a\r\nX-", "Us", "er", ": root\r\n\r\n"]) {
      client.write(piece);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(await closed).toBe("");
    expect(seen).toEqual([]);
  });
});

describe("on an undeclared port", () => {
  it("RTSP without such a field passes", async () => {
    const { seen, port } = await startNodeServer();
    const client = await dialRaw(cleanup, port);
    client.write("GET /a RTSP/1.0\r\nX-User-Agent: vlc\r\n\r\n");
    await readUntil(client, "served");
    expect(seen).toMatchObject([{ "x-user-agent": "vlc" }]);
  });

  it("a command with the name of such a field passes", async () => {
    let received = "";
    const applicationPort = await listenRaw(cleanup, (socket) => {
      socket.on("data", (chunk: Buffer) => {
        received += chunk.toString("latin1");
        socket.write("+OK\r\n");
      });
    });
    const client = await dialRaw(cleanup, await startSide(applicationPort));
    client.write("USER bob\r\n");
    await readUntil(client, "+OK");
    expect(received).toBe("USER bob\r\n");
  });
});
