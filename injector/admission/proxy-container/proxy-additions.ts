import { type Container, isInjected, type Pod, SIDECAR_NAME } from "../pod.ts";
import { repositoryOf } from "../pod-security/proxy-id.ts";
import { isOwnHook } from "./proxy-hooks.ts";

/**
 * A pod may extend the proxy's container. An addition that runs another program in it would give that program the
 * proxy's user, token and keys, outside of the capture: such a pod is refused.
 * @returns what is wrong and how to fix it, or undefined.
 */
export function findProxyTakeover({ spec }: Pod): string | undefined {
  for (const container of allContainers({ spec })) {
    const addition = container.name === SIDECAR_NAME ? findAddition(container) : undefined;
    if (addition !== undefined) {
      return `the container ${SIDECAR_NAME} has ${addition}, by which another program could run as the proxy; remove it`;
    }
  }
  return undefined;
}

/**
 * A running pod can get other images. One from another repository in place of the proxy's would run another program as
 * the proxy, and in place of the init container's with the right to change the capture rules.
 * @returns what is wrong and how to fix it, or undefined.
 */
export function findProxyReplacement(before: Pod, after: Pod): string | undefined {
  const images = new Map(allContainers(before).map(({ name, image }) => [name, image ?? ""]));
  for (const { name, image } of allContainers(after)) {
    const old = images.get(name);
    if (!isInjected(name) || old === undefined || repositoryOf(image ?? "") === repositoryOf(old)) continue;
    return `the container ${name} would run the image ${image} instead of ${old}, and another program as the proxy; a new pod gets the mesh's image`;
  }
  return undefined;
}

function allContainers({ spec }: Pod): readonly Container[] {
  return [...(spec.initContainers ?? []), ...spec.containers];
}

function findAddition(container: Container): string | undefined {
  const program = PROGRAM_FIELDS.find((field) => hasExec(container[field]));
  if (program !== undefined) return `a ${program} with exec`;
  const hook = (["postStart", "preStop"] as const).find((name) => {
    const handler = container.lifecycle?.[name];
    return hasExec(handler) && !isOwnHook(handler);
  });
  if (hook !== undefined) return `a ${hook} hook with exec`;
  const sources = container["envFrom"];
  if (Array.isArray(sources) && sources.length > 0) return "envFrom, whose variables the injector cannot check";
  const variable = container.env?.find(({ name }) => LOADER_VARIABLES.test(name) && !OWN_VARIABLES.includes(name));
  if (variable !== undefined) return `the environment variable ${variable.name}`;
  const mount = container.volumeMounts?.find(({ mountPath }) => hidesProgram(mountPath));
  return mount && `a volume at ${mount.mountPath}`;
}

const PROGRAM_FIELDS = ["readinessProbe", "livenessProbe", "startupProbe"] as const;

function hasExec(handler: unknown): boolean {
  return typeof handler === "object" && handler !== null && "exec" in handler && Boolean(handler.exec);
}

/**
 * Variables that make the dynamic loader, libc, OpenSSL, Node or the container runtime load code or settings, and those
 * that name the proxy's own token and roots.
 */
const LOADER_VARIABLES =
  /^(?:PATH$|LD_|GLIBC_|GCONV_|NODE_|OPENSSL_|SSL_CERT_|ENTENTE_TOKEN_FILE$|ENTENTE_ROOT_CERT_FILE$)/;
/** Our own values replace the pod's values of these variables. */
const OWN_VARIABLES: readonly string[] = ["NODE_OPTIONS"];

/** Folders that contain the program, its libraries, and its trusted roots. */
const PROGRAM_FOLDERS = [
  ...["/opt", "/usr", "/bin", "/sbin", "/lib", "/lib64", "/proc", "/sys", "/dev"],
  ...["/etc/ssl", "/etc/ld.so.cache", "/etc/ld.so.preload", "/etc/ld.so.conf", "/etc/ld.so.conf.d"],
  ...["/run/secrets/istio", "/run/secrets/tokens"],
];
/** Our own mounts replace the pod's mounts at these paths. */
const OWN_MOUNTS: readonly string[] = ["/var/run/secrets/istio", "/var/run/secrets/tokens"];

/** Whether a mount is inside, or above, one of those folders. */
function hidesProgram(mountPath: string): boolean {
  if (OWN_MOUNTS.includes(mountPath)) return false;
  const path = `${normalizePath(mountPath)}/`;
  return PROGRAM_FOLDERS.some((folder) => `${folder}/`.startsWith(path) || path.startsWith(`${folder}/`));
}

/** `/var/run` is a link to `/run`; the root becomes the empty string. */
function normalizePath(path: string): string {
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  if (parts[0] === "var" && parts[1] === "run") parts.shift();
  return parts.map((part) => `/${part}`).join("");
}
