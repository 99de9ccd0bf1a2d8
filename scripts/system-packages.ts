/** A program that Entente's capture, demo or tests call, and its Debian package. */
export interface SystemProgram {
  readonly program: string;
  readonly package: string;
  readonly why: string;
}

export const SYSTEM_PROGRAMS: readonly SystemProgram[] = [
  { program: "iptables-restore", package: "iptables", why: "redirects a pod's traffic to its sidecar" },
  { program: "ip", package: "iproute2", why: "creates a network namespace for each pod" },
  { program: "tcpdump", package: "tcpdump", why: "captures packets between two pods" },
  { program: "openssl", package: "openssl", why: "verifies certificates with an independent tool" },
  { program: "curl", package: "curl", why: "sends requests to the gateway like a user" },
  { program: "setpriv", package: "util-linux", why: "starts each container as its own user" },
];

/** The programs that are not to be found in `path`'s folders. */
export function findMissing(path: string, exists: (file: string) => boolean): readonly SystemProgram[] {
  const folders = path.split(":").filter((folder) => folder !== "");
  return SYSTEM_PROGRAMS.filter(({ program }) => !folders.some((folder) => exists(`${folder}/${program}`)));
}

/** What to tell a user who must install them by hand. */
export function formatMissing(missing: readonly SystemProgram[]): string {
  const lines = missing.map((entry) => `  ${entry.program} (package ${entry.package}): ${entry.why}`);
  const packages = [...new Set(missing.map((entry) => entry.package))].join(" ");
  return `These programs are missing:\n${lines.join("\n")}\nInstall them as root, on Debian or Ubuntu: apt-get install ${packages}\n`;
}
