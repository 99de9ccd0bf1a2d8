import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";
import { LongestFirst } from "./scripts/longest-first.ts";

/** Of compiled modules, for the test processes and the programs that they start; kept between two runs. */
process.env["NODE_COMPILE_CACHE"] ??= fileURLToPath(new URL("node_modules/.cache/compiled-modules", import.meta.url));

/** Most integration tests and nearly all of the pods wait for sockets and timers: three files share two processors. */
const MAX_WORKERS = Math.max(3, availableParallelism() - 1);

/**
 * Three projects, so that the quick tests can be run alone: `unit` opens no socket outside the process and needs no
 * rights, `integration` uses real sockets on loopback, `netns` makes network namespaces and needs root and iptables.
 */
export default defineConfig({
  test: {
    pool: "forks",
    // Node runs the sources as they are, as in production. Nothing is mocked, so nothing has to be transformed.
    experimental: { viteModuleRunner: false, nodeLoader: false },
    maxWorkers: MAX_WORKERS,
    sequence: { sequencer: LongestFirst },
    setupFiles: [fileURLToPath(new URL("scripts/note-test-process.ts", import.meta.url))],
    // A condition that is true in milliseconds may need many seconds on a busy machine. It fails before its test's limit does,
    // which would not say what was waited for.
    expect: { poll: { interval: 20, timeout: 45_000 } },
    // A message shows what was received, not only how much.
    chaiConfig: { truncateThreshold: 1000 },
    testTimeout: 120_000,
    hookTimeout: 120_000,
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
        test: {
          name: "integration",
          // Each closes what it has opened; the processes and imports cost more than the tests do.
          isolate: false,
          include: ["**/*.integration.test.ts"],
          exclude: ["node_modules/**", "dist/**"],
        },
      },
      {
        extends: true,
        test: {
          name: "netns",
          include: ["**/*.netns.test.ts"],
          globalSetup: [fileURLToPath(new URL("scripts/bundle-test-image.ts", import.meta.url))],
          exclude: ["node_modules/**", "dist/**"],
          // After the others, which need the processors.
          sequence: { groupOrder: 1 },
          // Its pods share two processors with those of other files.
          hookTimeout: 240_000,
        },
      },
    ],
  },
});
