import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, it } from "vitest";
import { readPrivateFiles } from "./authority-directory.ts";

const parent = mkdtempSync(join(tmpdir(), "entente-authority-directory-"));
afterEach(() => rmSync(parent, { recursive: true, force: true }));

it("a directory that another process removes while it is read is one that does not exist", async () => {
  for (let round = 0; round < 200; round += 1) {
    const directory = join(parent, `self-signed.${round}`);
    mkdirSync(directory, { mode: 0o700 });
    writeFileSync(join(directory, "ca-key.pem"), "key", { mode: 0o600 });
    const [read] = await Promise.all([
      readPrivateFiles(directory, ["ca-key.pem"]),
      rm(directory, { recursive: true, force: true }),
    ]);
    if (read !== undefined) expect(read.texts.get("ca-key.pem")).toBe("key");
  }
});
