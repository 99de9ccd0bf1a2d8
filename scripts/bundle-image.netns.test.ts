import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createTestFolder, findPod } from "../local/test-cluster-fixture.ts";
import { bundleImage } from "./bundle-image.ts";

/** Outside the development tree, so that only its own node_modules is found. */
const ROOT = mkdtempSync(join(tmpdir(), "entente-image-"));
const PROGRAM = join(ROOT, "opt", "entente.mjs");

beforeAll(async () => {
  chmodSync(ROOT, 0o755);
  mkdirSync(join(ROOT, "empty"));
  await bundleImage(join(ROOT, "opt"));
});

afterAll(() => rmSync(ROOT, { recursive: true, force: true }));

function run(...args: readonly string[]): { readonly status: number | null; readonly output: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [PROGRAM, ...args], {
    cwd: join(ROOT, "empty"),
    env: { NODE_ENV: "production", PATH: "/usr/sbin:/usr/bin:/sbin:/bin" },
    encoding: "utf8",
  });
  return { status, output: `${stdout}${stderr}` };
}

describe("the bundle in a separate folder, as in the image", () => {
  const listed = (): readonly string[] =>
    [...run("--help").output.matchAll(/^ {2}(\S+) {2,}\S/gm)].map(([, name = ""]) => name);

  it("contains the bundle, what koffi needs at run time, and nothing else", () => {
    const folder = join(ROOT, "opt");
    const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter(
      (name) => !statSync(join(folder, name)).isDirectory(),
    );
    const needed = /^[^/]+\.mjs$|^node_modules\/(?:koffi|@koromix\/koffi-[^/]+)\/(?:.*\.(?:c?js|json|node)|LICENSE.*)$/;
    expect(files).toContain("entente.mjs");
    expect(files.filter((name) => !needed.test(name))).toEqual([]);
  });

  it("lists the commands of every part in its help", () => {
    const parts = ["proxy", "control-plane", "injector", "inject", "capture", "local", "install", "uninstall"];
    expect(listed()).toEqual(expect.arrayContaining(parts));
  });

  it("can load every command that it lists", () => {
    for (const command of listed()) {
      const { status, output } = run(command, "--help");
      expect(output).toContain(`entente ${command}`);
      expect(status).toBe(0);
    }
  });
});

const MANIFESTS = `
apiVersion: v1
kind: Namespace
metadata: { name: bundled, labels: { istio-injection: enabled } }
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: default, namespace: bundled }
spec: { mtls: { mode: STRICT } }
---
apiVersion: v1
kind: Service
metadata: { name: server, namespace: bundled }
spec: { selector: { app: server }, ports: [{ name: http, port: 80, targetPort: 8080 }] }
---
apiVersion: v1
kind: Pod
metadata: { name: server, namespace: bundled, labels: { app: server } }
spec: { containers: [{ name: app, image: test/program, ports: [{ containerPort: 8080 }] }] }
---
apiVersion: v1
kind: Pod
metadata: { name: client, namespace: bundled }
spec: { containers: [{ name: app, image: test/program }] }
`;

describe("a mesh that runs only the bundle", () => {
  it("captures connections, reads their original destination, and forwards them over mutual TLS", async () => {
    const folder = createTestFolder();
    folder.write(MANIFESTS);
    const cluster = await folder.start({ images: { "test/program": folder.image, entente: PROGRAM } });
    try {
      const client = findPod(cluster, "client");
      const get = async (): Promise<string> =>
        (await client.exec(["curl", "-sS", "-m", "5", "http://server.bundled/"])).stdout;
      await expect.poll(get, { timeout: 20_000 }).toContain('"pod":"server"');
      const shown = await client.exec(["curl", "-sS", "-m", "5", "http://127.0.0.1:15000/destinations"]);
      expect(shown.stdout).toContain("server.bundled.svc.cluster.local");
    } finally {
      await cluster.stop();
      folder.remove();
    }
  });
});
