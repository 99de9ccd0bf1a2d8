import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { followTrustedRoots } from "./trusted-roots.ts";

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "entente-roots-"));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

function write(name: string, files: Readonly<Record<string, string>>): void {
  mkdirSync(join(directory, name), { recursive: true });
  for (const [file, text] of Object.entries(files)) writeFileSync(join(directory, name, file), text);
}

it("the roots are those of the newest step of a rotation", async () => {
  const roots = followTrustedRoots(directory, "initial");
  expect(await roots()).toBe("initial");
  write("self-signed", { "ca-cert.pem": "old" });
  expect(await roots()).toBe("old");
  write("self-signed.9", { "ca-cert.pem": "old", "root-cert.pem": "old and new" });
  write("self-signed.10", { "ca-cert.pem": "new", "root-cert.pem": "new and old" });
  expect(await roots()).toBe("new and old");
});

it("an operator's own roots come first", async () => {
  write("self-signed.1", { "ca-cert.pem": "own", "root-cert.pem": "own" });
  write(".", { "ca-cert.pem": "intermediate", "root-cert.pem": "operator's" });
  expect(await followTrustedRoots(directory, "initial")()).toBe("operator's");
});

it("while nothing can be read, they are the last ones", async () => {
  const roots = followTrustedRoots(directory, "initial");
  write("self-signed", { "ca-cert.pem": "old" });
  await roots();
  rmSync(directory, { recursive: true });
  expect(await roots()).toBe("old");
});
