import { execFileSync } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";

/**
 * An emptyDir of limited size, as the proxy's user finds it. A mount needs root, and a mount namespace of its own that ends
 * with the command.
 */
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "entente-full-"));
  chmodSync(folder, 0o755);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const PROGRAM = `
  import { readdirSync, rmSync, writeFileSync } from "node:fs";
  import { keepRoot } from "${import.meta.dirname}/../../authority/self-signed-root.ts";
  import { systemClock } from "${import.meta.dirname}/../../../mesh/runtime.ts";
  import { OLD, PUBLISHED } from "${import.meta.dirname}/../rotation-fixture.ts";
  import { createDirectoryStore } from "${import.meta.dirname}/directory-store.ts";
  const directory = process.argv[1];
  const log = { debug() {}, info() {}, warn() {}, error() {}, child: () => log };
  const store = createDirectoryStore({ directory, clock: systemClock, log });
  await keepRoot(directory, "self-signed", OLD);
  const results = [];
  const swap = async () => store.swap(await store.read(), PUBLISHED).catch((caught) => caught.cause.code);
  const look = async () => results.push((await store.read()).state.kind, readdirSync(directory).sort().join(" "));
  const filler = directory + "/filler";
  try {
    writeFileSync(filler, Buffer.alloc(1 << 20));
  } catch {}
  results.push(await swap());
  await look();
  rmSync(filler);
  results.push(await swap());
  await look();
  console.log(results.join("\\n"));`;

it("a full disk keeps the old state whole, and the next attempt succeeds once there is room", () => {
  const asProxy = "setpriv --reuid 1337 --regid 1337 --clear-groups --inh-caps -all";
  const mount = `mount -t tmpfs -o size=128k,mode=2777 tmpfs ${folder}`;
  const node = `"${process.execPath}" --input-type=module --eval "$PROGRAM" "${folder}"`;
  const env = { ...process.env, PROGRAM };
  const shown = execFileSync("unshare", ["--mount", "sh", "-c", `${mount} && exec ${asProxy} ${node}`], {
    encoding: "utf8",
    env,
  });
  expect(shown.trim().split("\n")).toEqual([
    ...["ENOSPC", "steady", "filler self-signed"],
    ...["stored", "published", "self-signed self-signed.1"],
  ]);
});
