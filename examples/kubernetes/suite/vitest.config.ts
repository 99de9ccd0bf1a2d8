import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

/** `npm run test:kubernetes`: one file after the other, on the cluster that `KUBECONFIG` names. */
export default defineConfig({
  test: {
    include: ["**/*.kubernetes.test.ts"],
    exclude: ["node_modules/**", "dist/**"],
    globalSetup: [fileURLToPath(new URL("installation.ts", import.meta.url))],
    fileParallelism: false,
    testTimeout: 180_000,
    hookTimeout: 300_000,
  },
});
