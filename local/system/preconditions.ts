import { accessSync, constants, existsSync, statSync } from "node:fs";
import { LocalError } from "../local-error.ts";

const PROGRAMS: readonly { readonly program: string; readonly package: string }[] = [
  { program: "ip", package: "iproute2" },
  { program: "iptables-restore", package: "iptables" },
  { program: "setpriv", package: "util-linux" },
  { program: "mount", package: "mount" },
];

const FOLDERS = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"] as const;

export interface Machine {
  readonly platform: string;
  readonly uid: number | undefined;
  readonly projectFolder: string;
}

/** Throws a LocalError that names what this machine lacks and how to fix it. */
export function checkMachine(machine: Machine): void {
  if (machine.platform !== "linux") {
    throw unfit(`pods need Linux's network namespaces, and this is ${machine.platform}; use a Linux machine`);
  }
  if (machine.uid !== 0) {
    throw unfit("making network namespaces and iptables rules needs root; run it with sudo");
  }
  const missing = PROGRAMS.filter(({ program }) => !FOLDERS.some((folder) => existsSync(`${folder}/${program}`)));
  if (missing.length > 0) {
    const names = missing.map(({ program }) => program).join(", ");
    const packages = missing.map((entry) => entry.package).join(" ");
    throw unfit(`missing: ${names}; install them with: apt-get install ${packages}`);
  }
  checkReadable(machine.projectFolder);
}

/** Containers run as other users, which must be able to read the sources. */
function checkReadable(folder: string): void {
  const needed = constants.S_IROTH | constants.S_IXOTH;
  accessSync(folder);
  if ((statSync(folder).mode & needed) === needed) return;
  throw unfit(`other users cannot read ${folder}, and containers run as other users; run: chmod -R o+rX ${folder}`);
}

function unfit(message: string): LocalError {
  return new LocalError("unfit_machine", message);
}
