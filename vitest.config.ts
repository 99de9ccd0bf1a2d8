import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

/**
 * Three projects, so that the quick tests can be run alone: `unit` opens no socket outside the process and needs no
 * rights, `integration` uses real sockets on loopback, `netns` makes network namespaces and needs root and iptables.
 */
export default defineConfig({
  test: {
    pool: "forks",
    setupFiles: [fileURLToPath(new URL("scripts/note-test-process.ts", import.meta.url))],
    testTimeout: 20_000,
    hookTimeout: 60_000,
    projects: [
      {
        extends: true,
        test: {
          name: "unit",
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
          fileParallelism: false,
          testTimeout: 60_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
});
