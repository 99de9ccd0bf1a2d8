import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, it } from "vitest";
import { readText, SecretHarness } from "../../ca-agent/authority/secrets/secret-authority-fixture.ts";
import { ACTIVATE, PUBLISH, RETIRE, takeStoredStep } from "../../ca-agent/rotation/following/stored-steps-fixture.ts";
import { Cleanup } from "../../net/cleanup-fixture.ts";

const guide = readFileSync(join(import.meta.dirname, "README.md"), "utf8");
const [, SCRIPT = ""] = /```sh\n# restored\n([\s\S]+?)```/.exec(guide) ?? [];
const OWN = "istio-ca-secret";

/** Has the two objects in files, and writes the patch into one. */
const KUBECTL = `#!/bin/sh
case "$*" in
  "get secret istio-ca-secret -n istio-system -o jsonpath={.data.root-cert\\.pem}") cat secret;;
  "get configmap istio-ca-root-cert -n istio-system -o jsonpath={.data.root-cert\\.pem}") cat configmap;;
  "patch secret istio-ca-secret -n istio-system -p "*) printf %s "$7" > patch;;
  *) echo "unexpected: $*" >&2; exit 1;;
esac
`;

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

it("the guide's commands let a control plane start with an authority from before a rotation, trusting both roots", async () => {
  const harness = new SecretHarness(cleanup);
  await harness.start();
  const backup = harness.cluster.history.backup();
  for (const step of [PUBLISH, ACTIVATE]) await takeStoredStep(harness, step);
  const { current } = await takeStoredStep(harness, RETIRE);
  harness.cluster.history.restore(backup);
  harness.publish(current.certificatePem);
  const starting = harness.start();
  expect(await harness.follow("cannot be opened yet")).toContain("authority_root_lost");

  const folder = mkdtempSync(join(tmpdir(), "entente-restored-"));
  cleanup.add(() => rmSync(folder, { recursive: true, force: true }));
  const secret = harness.find(OWN);
  const restored = readText(secret, "root-cert.pem") ?? "";
  writeFileSync(join(folder, "secret"), btoa(restored));
  writeFileSync(join(folder, "configmap"), current.certificatePem);
  writeFileSync(join(folder, "kubectl"), KUBECTL);
  chmodSync(join(folder, "kubectl"), 0o755);
  const options = { cwd: folder, encoding: "utf8", env: { PATH: `${folder}:/usr/bin:/bin` } } as const;
  const { status, stderr } = spawnSync("sh", ["-eu", "-c", SCRIPT], options);
  expect([status, stderr]).toEqual([0, ""]);

  const { data } = JSON.parse(readFileSync(join(folder, "patch"), "utf8"));
  const texts = ["ca-cert.pem", "ca-key.pem"].map((name) => [name, readText(secret, name) ?? ""]);
  harness.put(OWN, { ...Object.fromEntries(texts), "root-cert.pem": atob(data["root-cert.pem"]) });
  await harness.pass(3000);
  const { authority } = await starting;
  expect(authority.roots()).toEqual([restored, current.certificatePem]);
  expect(authority.signingRoot()).toBe(restored);
});
