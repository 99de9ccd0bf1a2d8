import { describe, expect, it } from "vitest";
import { runForTest } from "../run-cli-fixture.ts";

const EXAMPLE = ["-f", "examples/hello-tls"];

describe("entente tls-check of the example", () => {
  it("finds that every hop works, and ends with 0", async () => {
    const { status, stdout } = await runForTest("tls-check", ...EXAMPLE, "-o", "json");
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      rows: [
        { host: "end.legacy.svc.cluster.local", server: "NONE", client: "DISABLE" },
        { host: "hello.ns1.svc.cluster.local", server: "STRICT", client: "ISTIO_MUTUAL" },
        { host: "hello.ns1.svc.cluster.local", subset: "v1-tls" },
        { host: "world.ns2.svc.cluster.local", authenticationPolicy: "MeshPolicy/default" },
      ],
    });
  });

  it.each([
    {
      name: "a client without a sidecar conflicts with STRICT",
      args: ["end-tls", "hello"],
      status: 1,
      text: "CONFLICT",
    },
    { name: "one client and one service", args: ["hello-tls.ns1", "world.ns2"], status: 0, text: "world.ns2.svc" },
    { name: "an unknown pod", args: ["nobody"], status: 1, text: "there is no pod nobody; there is end-tls.legacy" },
    { name: "too many arguments", args: ["a", "b", "c"], status: 2, text: "at most a pod and a host" },
  ])("$name", async ({ args, status, text }) => {
    const result = await runForTest("tls-check", ...args, ...EXAMPLE);
    expect(result.status).toBe(status);
    expect(`${result.stdout}${result.stderr}`).toContain(text);
  });
});
