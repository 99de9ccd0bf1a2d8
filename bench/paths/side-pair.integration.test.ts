import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openFreshConnections } from "../load/open-fresh-connections.ts";
import { type Child, startChild } from "../processes/child.ts";
import { bundlePrograms } from "./bundle-programs.ts";
import { writeCertificates } from "./certificates.ts";
import { checkMeshHop } from "./check-mesh-hop.ts";
import type { PathName } from "./path.ts";
import { PATH_KINDS } from "./path-kinds.ts";

const folder = mkdtempSync(join(tmpdir(), "entente-bench-test-"));
const certificates = writeCertificates(folder, Date.now());
const programs = join(folder, "programs");
let backend: Child;

beforeAll(async () => {
  await bundlePrograms(programs);
  const program = fileURLToPath(new URL("../load/backend-process.ts", import.meta.url));
  backend = await startChild({ command: [process.execPath, program], readiness: "line" });
});

afterAll(async () => {
  await backend.stop();
  rmSync(folder, { recursive: true, force: true });
});

describe("a path of two Node processes", () => {
  it.each<PathName>(["entente-stream", "entente-http", "entente-http1", "entente-http2", "http-proxy"])(
    "%s carries requests over a mesh hop that takes mutual TLS 1.3 alone, and leaves no process",
    async (name) => {
      const own = join(folder, name);
      mkdirSync(own);
      const backendPort = Number(backend.firstLine);
      const application = "http/1.1" as const;
      const surroundings = { folder: own, certificates, application, backendPort, programs, profileFolder: undefined };
      const path = await PATH_KINDS.find((kind) => kind.name === name)?.start(surroundings);
      if (path?.meshPort === undefined) throw new Error("the path has no mesh hop");
      expect(await checkMeshHop({ port: path.meshPort, application, certificates })).toEqual([]);
      const job = {
        kind: "fresh",
        host: "127.0.0.1",
        port: path.port,
        file: "/1k",
        seconds: 0.2,
        concurrency: 2,
      } as const;
      const { count, failures } = await openFreshConnections(job);
      await path.stop();
      expect(failures).toBe(0);
      expect(count).toBeGreaterThan(1);
      for (const { pid } of path.proxies) expect(() => process.kill(pid, 0)).toThrow("ESRCH");
    },
  );
});
