import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";

/** Serves one request in a separate process, as for a user. */
const PROGRAM = `
import { createServer, get } from "node:http";
import { loadHttpProxy } from ${JSON.stringify(new URL("./load-http-proxy.ts", import.meta.url).href)};
const HttpProxy = await loadHttpProxy();
const upstream = createServer((_request, response) => response.end("served")).listen(0, "127.0.0.1", () => {
  const proxy = HttpProxy.createProxyServer({ toProxy: true });
  const target = { protocol: "http:", host: "127.0.0.1", port: upstream.address().port };
  const front = createServer((request, response) => proxy.web(request, response, { target })).listen(0, "127.0.0.1", () => {
    get({ host: "127.0.0.1", port: front.address().port, agent: false }, (answer) => {
      answer.pipe(process.stdout);
      answer.on("end", () => { front.close(); upstream.close(); });
    });
  });
});
`;

describe("http-proxy", () => {
  it("prints no deprecation (DEP0060) to users", async () => {
    const run = promisify(execFile);
    const { stdout, stderr } = await run(process.execPath, ["--input-type=module", "--eval", PROGRAM]);
    expect(stdout).toBe("served");
    expect(stderr).toBe("");
  });
});
