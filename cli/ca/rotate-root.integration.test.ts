import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Cleanup } from "../../net/cleanup-fixture.ts";
import { authority, NEW, OLD, proxy, rotating, STEADY } from "../../operator/ca/replica-fixture.ts";
import type { CliCluster } from "../cluster/cluster-fixture.ts";
import { startCaCluster, storedState } from "./ca-cluster-fixture.ts";

const cleanup = new Cleanup();
let cluster: CliCluster;

beforeEach(async () => {
  cluster = await startCaCluster(cleanup, [proxy("web"), proxy("old")]);
});
afterEach(() => cleanup.run());

const json = (text: string): unknown => JSON.parse(text);
const ca = (...args: readonly string[]) => cluster.run(["ca", ...args]);
const stored = () => storedState(cluster);

describe("ca rotate-root", () => {
  it("stores one request, which a second call joins", async () => {
    const first = json((await ca("rotate-root", "-o", "json")).stdout);
    expect(first).toEqual({ requestId: stored().rotation?.requestId, isNew: true });
    expect(json((await ca("rotate-root", "-o", "json")).stdout)).toEqual({ ...Object(first), isNew: false });
  });

  it("by several people at once is one rotation", async () => {
    const results = await Promise.all([1, 2, 3].map(() => ca("rotate-root", "-o", "json")));
    const answers = results.map(({ stdout }) => Object(json(stdout)));
    expect(answers.filter(({ isNew }) => isNew)).toHaveLength(1);
    expect(new Set(answers.map(({ requestId }) => requestId))).toEqual(new Set([stored().rotation?.requestId]));
  });

  it("is refused for an operator's own root, with the way to replace it", async () => {
    await cluster.serve("istio-system/istiod-2:15014", { ...authority({ rotation: null }), proxies: [] });
    const { status, stderr } = await ca("rotate-root");
    expect(status).toBe(1);
    expect(stderr).toContain("Replace it by two edits");
    expect(stored().rotation).toBeUndefined();
  });

  it("goes back with --roll-back, while a rotation is in progress", async () => {
    expect((await ca("rotate-root", "--roll-back")).stderr).toContain("no rotation is in progress");
    for (const name of ["istiod-1", "istiod-2"]) {
      await cluster.serve(`istio-system/${name}:15014`, { ...rotating("signing"), proxies: [] });
    }
    expect((await ca("rotate-root", "--roll-back")).stdout).toContain("go back to the root before");
    expect(stored().rotation?.kind).toBe("roll_back");
  });

  it("cancels with --roll-back what was requested and has not begun", async () => {
    const { requestId } = Object(json((await ca("rotate-root", "-o", "json")).stdout));
    const { status, stdout } = await ca("rotate-root", "--roll-back", "--wait");
    expect([status, stdout]).toEqual([0, expect.stringMatching(/^cancelled: .*\ncancelled: no rotation has begun/)]);
    expect(stored().rotation).toMatchObject({ kind: "roll_back", requestId: expect.not.stringMatching(requestId) });
    expect((await ca("rotate-root", "--roll-back")).stderr).toContain("no rotation is in progress or requested");
    expect((await ca("status")).stdout).not.toContain("requested");
    expect((await ca("rotate-root")).stdout).toContain("requested: the control planes replace the root");
  });

  it("with --wait ends when every control plane has answered the request", async () => {
    const page = () => ({
      ...authority({ rotation: { ...STEADY, requestId: stored().rotation?.requestId ?? null } }),
      proxies: [],
    });
    for (const name of ["istiod-1", "istiod-2"]) await cluster.serveLive(`istio-system/${name}:15014`, page);
    const { status, stdout } = await ca("rotate-root", "--wait");
    expect(status).toBe(0);
    expect(stdout).toMatch(/^requested: .*\ndone: the new root is the only one\n$/);
  });

  it("stops following after --timeout, and the rotation goes on", async () => {
    const { status, stderr } = await ca("rotate-root", "--wait", "--timeout", "10ms");
    expect(status).toBe(1);
    expect(stderr).toContain("not over in time: the rotation goes on");
    expect(stored().rotation).toBeDefined();
  });
});

it("ca status shows both roots of a rotation", async () => {
  const both = [proxy("web", { trustedRoots: [OLD, NEW] }), proxy("old", { trustedRoots: [OLD] })];
  for (const name of ["istiod-1", "istiod-2"]) {
    await cluster.serve(`istio-system/${name}:15014`, {
      ...rotating("published"),
      proxies: name === "istiod-1" ? both : [],
    });
  }
  const { status, stdout } = await ca("status");
  expect(status).toBe(0);
  expect(stdout).toMatch(/^F0:F1:F2 +no .* 1 of 2 +0$/m);
});
