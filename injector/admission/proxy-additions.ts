import { type Container, type Pod, SIDECAR_NAME } from "./pod.ts";

/**
 * What a pod says under the proxy's name is kept where it adds to it. An addition that brings a program of its own into that
 * container would run it with the proxy's user, token and keys, outside of the capture: such a pod is refused.
 * @returns what is wrong and how to fix it, or undefined.
 */
export function findProxyTakeover({ spec }: Pod): string | undefined {
  for (const container of [...(spec.initContainers ?? []), ...spec.containers]) {
    const addition = container.name === SIDECAR_NAME ? findAddition(container) : undefined;
    if (addition !== undefined) {
      return `the container ${SIDECAR_NAME} has ${addition}, by which another program could run as the proxy; remove it`;
    }
  }
  return undefined;
}

function findAddition(container: Container): string | undefined {
  const program = PROGRAM_FIELDS.find((field) => hasExec(container[field]));
  if (program !== undefined) return `a ${program} with exec`;
  const hook = (["postStart", "preStop"] as const).find((name) => hasExec(container.lifecycle?.[name]));
  if (hook !== undefined) return `a ${hook} hook with exec`;
  const sources = container["envFrom"];
  if (Array.isArray(sources) && sources.length > 0) return "envFrom, whose variables are not known here";
  const variable = container.env?.find(({ name }) => LOADER_VARIABLES.test(name) && !OWN_VARIABLES.includes(name));
  if (variable !== undefined) return `the environment variable ${variable.name}`;
  const mount = container.volumeMounts?.find(({ mountPath }) => hidesProgram(mountPath));
  return mount && `a volume at ${mount.mountPath}`;
}

const PROGRAM_FIELDS = ["readinessProbe", "livenessProbe", "startupProbe"] as const;

function hasExec(handler: unknown): boolean {
  return typeof handler === "object" && handler !== null && "exec" in handler && Boolean(handler.exec);
}

/** What makes the kernel's loader, libc, OpenSSL, Node or the container's runtime take code or settings from elsewhere. */
const LOADER_VARIABLES = /^(?:PATH$|LD_|GLIBC_|GCONV_|NODE_|OPENSSL_|SSL_CERT_)/;
/** Ours replace what the pod has under their names. */
const OWN_VARIABLES: readonly string[] = ["NODE_OPTIONS"];

/** Folders that hold the program, what it loads, and what it trusts. */
const PROGRAM_FOLDERS = [
  ...["/opt", "/usr", "/bin", "/sbin", "/lib", "/lib64", "/proc", "/sys", "/dev"],
  ...["/etc/ssl", "/etc/ld.so.cache", "/etc/ld.so.preload", "/etc/ld.so.conf", "/etc/ld.so.conf.d"],
  ...["/run/secrets/istio", "/run/secrets/tokens"],
];
/** Ours replace what the pod has at these places. */
const OWN_MOUNTS: readonly string[] = ["/var/run/secrets/istio", "/var/run/secrets/tokens"];

/** Whether a mount lies in or over one of those folders. */
function hidesProgram(mountPath: string): boolean {
  if (OWN_MOUNTS.includes(mountPath)) return false;
  const path = `${normalizePath(mountPath)}/`;
  return PROGRAM_FOLDERS.some((folder) => `${folder}/`.startsWith(path) || path.startsWith(`${folder}/`));
}

/** `/var/run` is another name of `/run`; the root is the empty text. */
function normalizePath(path: string): string {
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  if (parts[0] === "var" && parts[1] === "run") parts.shift();
  return parts.map((part) => `/${part}`).join("");
}
