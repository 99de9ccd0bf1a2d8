/** For tests: clusters of small programs. */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inject } from "vitest";
import { RecordingLogger } from "../mesh/recording-logger-fixture.ts";
import type { LocalPod } from "./pods/local-pod.ts";
import { type LocalCluster, type LocalClusterOptions, startLocalCluster } from "./start-local-cluster.ts";

/** Reports the client's address and the container's user; its arguments make it fail, hang or wait. */
const PROGRAM = `
import { createServer } from "node:http";
import { readFileSync, writeFileSync } from "node:fs";
const [mode = "serve", ...words] = process.argv.slice(2);
console.log(mode, ...words);
if (mode === "fail") process.exit(3);
if (mode === "append") {
  writeFileSync(words[0], words[1], { flag: "a" });
  process.exit(0);
}
if (mode === "hang") setInterval(() => undefined, 1000);
else createServer((request, response) => {
  if (request.url === "/crash") process.exit(7);
  if (request.url === "/unready") response.statusCode = 503;
  const status = readFileSync("/proc/self/status", "utf8");
  response.end(JSON.stringify({
    pod: process.env.HOSTNAME, env: process.env, words, remote: request.socket.remoteAddress,
    uid: process.getuid(), gid: process.getgid(), capabilities: /CapEff:\\s*(\\w+)/.exec(status)[1],
  }));
}).listen(8080);
`;

export interface TestFolder {
  readonly folder: string;
  readonly image: string;
  /** Replaces all manifests of the folder. */
  write(manifests: string): void;
  /** @param options.images in addition to `test/program` and `entente`, which runs the bundle. */
  start(options?: Partial<LocalClusterOptions>): Promise<LocalCluster>;
  remove(): void;
}

export function createTestFolder(): TestFolder {
  const folder = mkdtempSync(join(tmpdir(), "entente-test-"));
  chmodSync(folder, 0o755);
  const image = join(folder, "program.mjs");
  writeFileSync(image, PROGRAM);
  return {
    folder,
    image,
    write: (manifests) => writeFileSync(join(folder, "pods.yaml"), manifests),
    start: ({ images = {}, ...options } = {}) =>
      startLocalCluster({
        manifests: [folder],
        publish: [],
        // What the real image contains.
        images: { entente: inject("image"), "test/program": image, ...images },
        log: new RecordingLogger(),
        signal: new AbortController().signal,
        // A dozen pods, on a busy machine.
        readyWithinMs: 200_000,
        // No client is left to drain for. `entente local up` stops its pods by SIGTERM in its own tests.
        forceSignal: AbortSignal.abort(),
        ...options,
      }),
    remove: () => rmSync(folder, { recursive: true }),
  };
}

export function findPod(cluster: LocalCluster, name: string): LocalPod {
  const found = cluster.pods.find((pod) => pod.name === name || pod.name.startsWith(`${name}-`));
  if (found === undefined) throw new Error(`there is no pod ${name}`);
  return found;
}
