import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { KINDS } from "../../kubernetes/kinds.ts";
import { parseKubernetesYaml } from "../../mesh/resources/parsing/kubernetes-yaml.ts";
import { Cleanup } from "../../net/cleanup-fixture.ts";
import { authority, OLD, proxy } from "../../operator/ca/replica-fixture.ts";
import { type CliCluster, componentPod } from "../cluster/cluster-fixture.ts";
import { startCaCluster, storedState } from "./ca-cluster-fixture.ts";

const cleanup = new Cleanup();
let cluster: CliCluster;

const IDENTITY = "spiffe://cluster.local/ns/ns1/sa/web";
const HOUR_MS = 3_600_000;
const until = (hours: number) => new Date(Date.now() + hours * HOUR_MS).toISOString();
const certificate = (serialNumber: string, rootFingerprint = OLD) => ({
  certificate: { serialNumber, notAfter: until(11), rootFingerprint },
});

const PROXIES = [proxy("web", certificate("AA01")), proxy("old", certificate("AA02"))];

beforeEach(async () => {
  cluster = await startCaCluster(cleanup, PROXIES);
});
afterEach(() => cleanup.run());

const json = (text: string): unknown => JSON.parse(text);
const ca = (...args: readonly string[]) => cluster.run(["ca", ...args]);

const stored = () => storedState(cluster);
const revoked = () => stored().revocations.map(({ what }) => what);

describe("ca status", () => {
  it("shows roots, certificates and revocations, as all control planes together know them", async () => {
    await ca("revoke", "--identity", IDENTITY);
    const { status, stdout } = await ca("status", "-o", "json");
    expect(json(stdout)).toMatchObject({
      roots: [{ fingerprint: OLD, isSigning: true, trustedBy: 3, leaves: 3 }],
      rotation: { phase: "steady" },
      proxies: { connected: 3, withBundle: 3 },
      revocations: { certificates: 0, identities: 1, pods: 0 },
      controlPlanes: [{ pod: "istiod-1.istio-system" }, { pod: "istiod-2.istio-system" }],
    });
    // These control planes do not follow the ConfigMap.
    const problems = ["istiod-1", "istiod-2"].map((name) => expect.stringContaining(`${name}.istio-system does not`));
    expect([status, json(stdout)]).toMatchObject([1, { problems }]);
  });

  it("fails if a control plane cannot be asked, and shows what the other one knows", async () => {
    cluster.harness.put(componentPod("istiod-3", "istiod"));
    const { status, stdout } = await ca("status");
    expect(status).toBe(1);
    expect(stdout).toMatch(/^0A:0B:0C +yes .* 3 of 3 +3$/m);
    expect(stdout).toContain("problem: istiod-3.istio-system: ");
  });

  it("is 0 if nothing needs attention", async () => {
    expect(await ca("status")).toMatchObject({ status: 0, stderr: "" });
  });
});

describe("ca revoke", () => {
  it("stores an entry that ends with the certificate, and says whom it hits", async () => {
    const { status, stdout } = await ca("revoke", "--serial", "00:aa:01", "--reason", "stolen");
    expect(status).toBe(0);
    expect(stdout).toContain("certificate AA01: revoked\n");
    expect(stdout).toContain("affected now: 1 connected proxy: web.ns1\n");
    const expiresAt = PROXIES[0]?.certificate?.notAfter;
    expect(stored().revocations).toMatchObject([
      { what: { kind: "serial", serialNumber: "AA01" }, expiresAt, reason: "stolen" },
    ]);
  });

  it("of a pod names this very pod by its uid; of one that is gone the operator gives that", async () => {
    const uid = cluster.server.cluster.get(KINDS.pods, { namespace: "ns1", name: "web" }).metadata.uid;
    expect((await ca("revoke", "--pod", "ns1/web")).status).toBe(0);
    const { status, stderr } = await ca("revoke", "--pod", "ns1/old");
    expect([status, stderr]).toEqual([
      1,
      expect.stringMatching(/not_found: there is no pod ns1\/old\. .*--uid: .*issued/),
    ]);
    expect((await ca("revoke", "--pod", "ns1/old", "--uid", "u-1")).status).toBe(0);
    const earlier = await ca("revoke", "--pod", "ns1/web", "--uid", "u-2", "-o", "json");
    const warning = `the pod ns1/web that is there now has the uid ${uid}: it is another one, and not revoked`;
    expect(json(earlier.stdout)).toMatchObject({ effect: { warnings: [warning, expect.anything()] } });
    const pod = { kind: "pod", namespace: "ns1", name: "web" };
    expect(revoked()).toEqual([
      { ...pod, uid },
      { ...pod, name: "old", uid: "u-1" },
      { ...pod, uid: "u-2" },
    ]);
    expect((await ca("unrevoke", "--pod", "ns1/web", "--uid", "u-2")).status).toBe(0);
    expect(revoked()).toHaveLength(2);
  });

  it("warns of what no connected proxy has, and stores it all the same", async () => {
    const { status, stdout } = await ca("revoke", "--serial", "EE", "-o", "json");
    expect([status, json(stdout)]).toMatchObject([
      0,
      { outcome: "revoked", effect: { affected: [], warnings: [expect.stringContaining("check the spelling")] } },
    ]);
    expect(revoked()).toHaveLength(1);
  });

  it("works while no control plane responds", async () => {
    await cluster.serve("istio-system/istiod-1:15014", "broken");
    await cluster.serve("istio-system/istiod-2:15014", { proxies: "\u001b[2J" });
    const { status, stdout } = await ca("revoke", "--identity", IDENTITY);
    expect(status).toBe(0);
    expect(stdout).toContain("warning: istiod-1.istio-system could not be asked");
    expect(stdout).not.toContain("\u001b");
    expect(revoked()).toHaveLength(1);
  });

  it("changes nothing with --dry-run, nor for what is revoked already", async () => {
    expect((await ca("revoke", "--serial", "AA01", "--dry-run")).stdout).toContain("would be revoked");
    expect(stored().revocations).toEqual([]);
    await ca("revoke", "--serial", "AA01", "--reason", "first");
    const before = stored();
    expect((await ca("revoke", "--serial", "aa:01", "--reason", "second")).stdout).toContain("revoked already, since");
    expect(stored()).toEqual(before);
  });

  it("refuses the control plane's own identity: it would change nothing", async () => {
    const { status, stderr } = await ca("revoke", "--identity", "spiffe://cluster.local/ns/istio-system/sa/istiod");
    expect(status).toBe(1);
    expect(stderr).toContain("the control plane's own");
    expect(stored().revocations).toEqual([]);
  });

  it("by several people at once loses nothing", async () => {
    const serials = ["A1", "A2", "A3", "A4", "A5", "A6"];
    const results = await Promise.all(serials.map((serial) => ca("revoke", "--serial", serial)));
    expect(results.map(({ status }) => status)).toEqual(serials.map(() => 0));
    expect(
      revoked()
        .map((what) => what.kind === "serial" && what.serialNumber)
        .toSorted(),
    ).toEqual(serials);
  });

  it("does not overwrite a state that it cannot read, and ca status says why", async () => {
    const metadata = { name: "entente-ca", namespace: "istio-system" };
    const configMap = { apiVersion: "v1", kind: "ConfigMap", metadata, data: { "revocations.json": "[{]" } };
    cluster.harness.put(configMap);
    const { status, stderr } = await ca("revoke", "--serial", "AA01");
    expect(status).toBe(1);
    expect(stderr).toContain("ConfigMap istio-system/entente-ca");
    const shown = await ca("status");
    expect([shown.status, shown.stdout]).toEqual([
      1,
      expect.stringMatching(/^0A:0B:0C +yes .*ConfigMap istio-system\/entente-ca: /ms),
    ]);
    expect(cluster.server.cluster.get(KINDS.configMaps, metadata)["data"]).toEqual(configMap.data);
  });
});

describe("ca unrevoke and ca revocations", () => {
  it("lift one entry, and list the others", async () => {
    await ca("revoke", "--identity", IDENTITY, "--reason", "left the company");
    await ca("revoke", "--pod", "ns1/web");
    expect(await ca("unrevoke", "--pod", "ns1/web")).toMatchObject({
      status: 0,
      stdout: "pod ns1/web: no longer revoked\n",
    });
    const { stdout } = await ca("revocations");
    expect(stdout).toMatch(new RegExp(`^identity +${IDENTITY} +\\d+s ago +when lifted +1 +left the company$`, "m"));
    expect(stdout.trim().split("\n")).toHaveLength(2);
  });

  it("warn where a control plane does not follow what is stored", async () => {
    const refused = ["refuses what is stored in entente-ca: an earlier state was restored"];
    await cluster.serve("istio-system/istiod-1:15014", { ...authority({ refused }), proxies: PROXIES });
    await ca("revoke", "--serial", "AA01");
    const text =
      "certificate AA01: no longer revoked\n" +
      "warning: it may stay revoked until this is repaired: istiod-1.istio-system refuses what is stored in entente-ca: an";
    expect(await ca("unrevoke", "--serial", "AA01")).toMatchObject({
      status: 0,
      stdout: expect.stringContaining(text),
    });
    expect(revoked()).toEqual([]);
  });

  it("say that there is nothing", async () => {
    expect((await ca("revocations")).stdout).toBe("nothing is revoked\n");
    expect(json((await ca("revocations", "-o", "json")).stdout)).toEqual({ revocations: [] });
    expect(await ca("unrevoke", "--serial", "AA01")).toMatchObject({
      status: 1,
      stderr: expect.stringContaining("certificate AA01 is not revoked; nothing is"),
    });
  });
});

describe("the command line", () => {
  it.each([
    { args: [], message: "the first argument must be status, rotate-root, revoke, unrevoke, revocations" },
    { args: ["status", "now"], message: 'ca status takes options only, got "now"' },
    { args: ["status", "--serial", "AA"], message: "--serial is an option of ca revoke and unrevoke, not of status" },
    {
      args: ["unrevoke", "--serial", "AA", "--reason", "x"],
      message: "--reason is an option of ca revoke, not of unrevoke",
    },
    { args: ["revoke", "--serial", "AA", "--wait"], message: "--wait is an option of ca rotate-root, not of revoke" },
    { args: ["revoke", "--identity", IDENTITY, "--uid", "u"], message: "--uid is for --pod: give both" },
    { args: ["revoke", "--pod", "ns1/a", "--uid", "a b"], message: "--uid must be the uid of a pod, such as" },
    { args: ["revoke"], message: "exactly one of --serial, --identity and --pod must be given" },
    { args: ["rotate-root", "--timeout", "1m"], message: "--timeout is for --wait" },
    { args: ["rotate-root", "--wait", "--timeout", "soon"], message: "--timeout must be a duration" },
    { args: ["status", "--local"], message: "give either --kubeconfig, or --local or --ca-directory" },
    { args: ["status", "--metrics-port", "15014"], message: "--metrics-port is for a control plane without" },
    { args: ["status", "-o", "yaml"], message: "--output must be text or json" },
  ])("is refused for $args", async ({ args, message }) => {
    const { status, stderr, stdout } = await ca(...args);
    expect([status, stdout]).toEqual([2, ""]);
    expect(stderr).toContain(message);
  });
});

describe("the rights of an operator", () => {
  const guide = readFileSync(join(import.meta.dirname, "../../examples/certificates/README.md"), "utf8");
  const [, manifests = ""] = /```yaml\n([\s\S]+?)```/.exec(guide) ?? [];

  it("in the guide are enough for every action, and the API server refuses nothing", async () => {
    cluster.harness.put(...parseKubernetesYaml(manifests).map((document): object => document.toJS()));
    const token = cluster.server.identities.addUser("jane");
    const run = (...args: readonly string[]) => cluster.run(["ca", ...args], token);
    const results = [
      await run("revoke", "--pod", "ns1/web"),
      await run("unrevoke", "--pod", "ns1/web"),
      await run("rotate-root"),
      await run("revocations"),
      await run("status"),
    ];
    expect(results.map(({ status, stderr }) => [status, stderr])).toEqual(results.map(() => [0, ""]));
    expect(cluster.server.denied).toEqual([]);
  });

  it("are named in one line where they are missing, and nothing is changed", async () => {
    const token = cluster.server.identities.addUser("guest");
    for (const args of [["status"], ["revoke", "--serial", "AA01"], ["rotate-root"]]) {
      const { status, stdout, stderr } = await cluster.run(["ca", ...args], token);
      expect([status, stdout]).toEqual([1, ""]);
      expect(stderr).toMatch(/^entente ca: not_allowed: .*User "guest" cannot .*administrator can grant this right\n$/);
    }
    expect(stored().revocations).toEqual([]);
  });

  it("do not include any Secret: no request is for one", async () => {
    await ca("status");
    await ca("revoke", "--serial", "AA01");
    await ca("rotate-root");
    expect(cluster.server.requests.filter(({ resource, user }) => resource === "secrets" && user === "admin")).toEqual(
      [],
    );
  });
});
