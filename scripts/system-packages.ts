/** Programs that Entente's capture, demo and tests call, and the Debian package that brings each. */
export interface SystemProgram {
  readonly program: string;
  readonly package: string;
  readonly why: string;
}

export const SYSTEM_PROGRAMS: readonly SystemProgram[] = [
  { program: "iptables-restore", package: "iptables", why: "sends a pod's traffic through its sidecar" },
  { program: "ip", package: "iproute2", why: "makes a network namespace for each pod" },
  { program: "tcpdump", package: "tcpdump", why: "shows what is on the wire between two pods" },
  { program: "openssl", package: "openssl", why: "checks the certificates with a tool that is not ours" },
  { program: "curl", package: "curl", why: "calls the gateway as a user would" },
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
