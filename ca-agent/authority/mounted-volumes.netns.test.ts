import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { mintRoot } from "../../mesh/identity/mint-certificate-fixture.ts";
import { textsOf } from "./authority-fixture.ts";

/**
 * Volumes as a pod finds them: made by root, used by user 1337, who cannot change their modes. A mount needs root, and a
 * mount namespace of its own that ends with the command.
 */
const root = mintRoot();
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "entente-volume-"));
  chmodSync(folder, 0o755);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const PROGRAM = `
  import { openAuthority } from "${import.meta.dirname}/open-authority.ts";
  import { systemClock } from "${import.meta.dirname}/../../mesh/runtime.ts";
  const lines = [];
  const write = (_fields, message) => lines.push(message);
  const log = { debug() {}, info: write, warn: write, error: write, child: () => log };
  const options = { directory: process.argv[1], trustDomain: "cluster.local", clock: systemClock, log };
  try {
    await openAuthority(options);
  } catch (caught) {
    lines.push(String(caught));
  }
  console.log(lines.join("\\n"));`;

/** Opens the authority as the proxy's user; returns what it logs, and its error. */
function openInPod(directory: string, prepare = "true"): string {
  const asProxy = "setpriv --reuid 1337 --regid 1337 --clear-groups --inh-caps -all";
  const node = `"${process.execPath}" --input-type=module --eval "$PROGRAM" "${directory}"`;
  const script = `${prepare} && exec ${asProxy} ${node}`;
  const env = { ...process.env, PROGRAM };
  return execFileSync("unshare", ["--mount", "sh", "-c", script], { encoding: "utf8", env });
}

/** Copies a Secret's files to a tmpfs as the kubelet lays them out. */
function mountSecret(mode: string): string {
  const source = join(folder, "source");
  mkdirSync(source);
  for (const [name, text] of Object.entries(textsOf({ signer: root, roots: [root] }))) {
    writeFileSync(join(source, name), text);
  }
  const volume = join(folder, "cacerts");
  mkdirSync(volume);
  const files = Object.keys(textsOf({ signer: root, roots: [root] }));
  return [
    `mount -t tmpfs -o mode=1777 tmpfs ${volume}`,
    `cp -r ${source} ${volume}/..v1`,
    `chmod 755 ${volume}/..v1`,
    `chmod ${mode} ${volume}/..v1/*`,
    `ln -s ..v1 ${volume}/..data`,
    ...files.map((name) => `ln -s ..data/${name} ${volume}/${name}`),
  ].join(" && ");
}

describe("a pod's volume as the authority's directory", () => {
  it("is usable as an emptyDir: the root is created in a directory that is closed to others", () => {
    const volume = join(folder, "empty");
    mkdirSync(volume);
    chmodSync(volume, 0o2777);
    expect(openInPod(volume)).toContain("created a new self-signed root");
    expect(openInPod(volume)).not.toContain("created a new self-signed root");
    expect(execFileSync("stat", ["-c", "%a %u", join(volume, "self-signed")], { encoding: "utf8" })).toBe(
      "2700 1337\n",
    );
  });

  it("is refused as an emptyDir in which another user has put a key", () => {
    const volume = join(folder, "empty");
    mkdirSync(join(volume, "self-signed"), { recursive: true });
    chmodSync(volume, 0o2777);
    for (const [name, text] of Object.entries(textsOf({ signer: root, roots: [root] }))) {
      writeFileSync(join(volume, "self-signed", name), text, { mode: 0o644 });
    }
    expect(openInPod(volume)).toContain("authority_permissions");
  });

  it("is usable as a Secret with the kubelet's default mode, with a warning", () => {
    const output = openInPod(join(folder, "cacerts"), mountSecret("0644"));
    expect(output).toContain("certificate authority opened");
    expect(output).toContain("defaultMode: 0400");
  });

  it("says how to let the proxy's user read a Secret", () => {
    const output = openInPod(join(folder, "cacerts"), mountSecret("0400"));
    expect(output).toContain("EACCES");
    expect(output).toContain('set "defaultMode: 0400" and the pod\'s "fsGroup: 1337"');
  });

  it("is refused as an ordinary folder with a key that everyone may read", () => {
    const volume = join(folder, "plain");
    mkdirSync(volume);
    for (const [name, text] of Object.entries(textsOf({ signer: root, roots: [root] }))) {
      writeFileSync(join(volume, name), text);
    }
    symlinkSync(".", join(volume, "..data"));
    expect(openInPod(volume)).toContain("authority_permissions");
  });

  it("that does not exist and cannot be created is named, with the fix", () => {
    expect(openInPod("/etc/entente-no-such-folder")).toContain("mount a Secret or an emptyDir there");
  });

  it("that does not exist is created where the user may", () => {
    const volume = join(folder, "home");
    mkdirSync(volume);
    chmodSync(volume, 0o777);
    expect(openInPod(join(volume, "etc", "cacerts"))).toContain("created a new self-signed root");
  });
});
