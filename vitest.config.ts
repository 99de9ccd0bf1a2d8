import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

/** Most integration tests and nearly all of the pods wait for sockets and timers: two files share even one processor. */
const MAX_WORKERS = Math.max(2, availableParallelism() - 1);

/**
 * Three projects, so that the quick tests can be run alone: `unit` opens no socket outside the process and needs no
 * rights, `integration` uses real sockets on loopback, `netns` makes network namespaces and needs root and iptables.
 */
export default defineConfig({
  test: {
    pool: "forks",
    maxWorkers: MAX_WORKERS,
    setupFiles: [fileURLToPath(new URL("scripts/note-test-process.ts", import.meta.url))],
    testTimeout: 20_000,
    hookTimeout: 60_000,
    projects: [
      {
        extends: true,
        test: {
          name: "unit",
          // They open nothing that a file could leave to the next one, and the processes and imports cost more than they do.
          isolate: false,
          include: ["**/*.test.ts"],
          exclude: ["**/*.{integration,netns,kubernetes}.test.ts", "node_modules/**", "dist/**"],
        },
      },
      {
        extends: true,
        test: { name: "integration", include: ["**/*.integration.test.ts"], exclude: ["node_modules/**", "dist/**"] },
      },
      {
        extends: true,
        test: {
          name: "netns",
          include: ["**/*.netns.test.ts"],
          exclude: ["node_modules/**", "dist/**"],
          // After the others, which measure nothing of the machine that pods would change; two clusters at a time.
          sequence: { groupOrder: 1 },
          maxWorkers: 2,
          testTimeout: 60_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
});
