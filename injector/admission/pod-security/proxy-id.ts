import { PROXY_ID } from "../../capture/capture-options.ts";
import { applicationContainers, type Container, ephemeralContainers, type Pod } from "../pod.ts";

type SecurityContext = NonNullable<Container["securityContext"]>;

/**
 * A process with the proxy's user or group is treated as the proxy: its traffic leaves in plaintext and reaches ports
 * that the capture rules protect. A supplementary group is enough: a member of the group can run a setgid program with
 * it. Istio only reports some of these cases (IST0144); here the pod is refused.
 * @param proxyImage the image of Entente, which declares the proxy's user
 * @returns what is wrong and how to fix it, or undefined.
 */
export function findProxyIdUse(pod: Pod, proxyImage: string): string | undefined {
  const inPod = describeUse("the pod's securityContext", pod.spec.securityContext);
  if (inPod !== undefined) return inPod;
  for (const container of [...applicationContainers(pod), ...ephemeralContainers(pod)]) {
    const use = findContainerUse(pod, container, proxyImage);
    if (use !== undefined) return use;
  }
  return undefined;
}

/**
 * The same check for what a running pod can get: containers by `kubectl debug`, and other images. A container that stays
 * as it was is not judged again.
 */
export function findNewProxyIdUse(before: Pod | undefined, after: Pod, proxyImage: string): string | undefined {
  const images = new Map(before && applicationContainers(before).map(({ name, image }) => [name, image]));
  const changed = applicationContainers(after).filter(
    ({ name, image }) => images.has(name) && images.get(name) !== image,
  );
  for (const container of [...changed, ...ephemeralContainers(after)]) {
    const use = findContainerUse(after, container, proxyImage);
    if (use !== undefined) return use;
  }
  return undefined;
}

function findContainerUse(pod: Pod, container: Container, proxyImage: string): string | undefined {
  const where = `the container ${container.name}`;
  const { image } = container;
  if (image && userOf(pod, container) === undefined) {
    if (repositoryOf(image) === repositoryOf(proxyImage)) {
      return `${where} has no runAsUser, and its image ${image} declares the user ${PROXY_ID}, ${CONSEQUENCE}`;
    }
    if (IMAGE_ID.test(image)) {
      return `${where} has no runAsUser, and its image is an ID, ${image}, which may be that of an image with the user ${PROXY_ID}; set runAsUser, or use the image's name`;
    }
  }
  return describeUse(where, container.securityContext);
}

/** Container runtimes run an image that a node has by its ID too. */
const IMAGE_ID = /^sha256:[0-9a-f]{6,64}$/;

/**
 * An image's name without tag and digest: every version of our image declares the same user. Docker Hub's registry and
 * its folder are left out, as in `docker.io/library/node`.
 */
export function repositoryOf(image: string): string {
  const name = (image.split("@")[0] ?? "").replace(/:[^/:]*$/, "");
  return name.replace(/^(?:(?:index\.)?docker\.io\/)/i, "").replace(/^library\//, "");
}

const CONSEQUENCE = "which belongs to the proxy and bypasses the sidecar (IST0144); choose another ID";

function describeUse(where: string, context: SecurityContext | null | undefined): string | undefined {
  const { runAsUser, runAsGroup, fsGroup, supplementalGroups } = context ?? {};
  const uses = [
    ...Object.entries({ runAsUser, runAsGroup, fsGroup }).filter(([, id]) => id === PROXY_ID),
    ...(supplementalGroups?.includes(PROXY_ID) ? [["supplementalGroups"]] : []),
  ];
  const [field] = uses[0] ?? [];
  if (field === undefined) return undefined;
  return `${where} has ${field}: ${PROXY_ID}, ${CONSEQUENCE}`;
}

/** The user that the pod's spec gives a container; undefined means the image's own. */
function userOf(pod: Pod, { securityContext }: Container): number | undefined {
  return securityContext?.runAsUser ?? pod.spec.securityContext?.runAsUser ?? undefined;
}

/** Istio images that declare the user 1337 (`USER 1337:1337` in their Dockerfiles), by the last part of their names. */
const IMAGES_OF_PROXY_ID = /(?:^|\/)(?:proxyv2|pilot|istioctl)(?:[:@]|$)/;

/** One warning for each container that could change to the proxy's user or group, or whose image may declare it. */
export function proxyIdWarnings(pod: Pod): readonly string[] {
  return [...applicationContainers(pod), ...ephemeralContainers(pod)].flatMap((container) => {
    const { name, image } = container;
    const change = describeIdChange(pod, container);
    const isDeclared = IMAGES_OF_PROXY_ID.test(image ?? "") && userOf(pod, container) === undefined;
    return [
      ...(change === undefined
        ? []
        : [
            `the container ${name} ${change}: a program in it can become user or group ${PROXY_ID} and bypass the sidecar`,
          ]),
      ...(isDeclared
        ? [
            `the container ${name} has no runAsUser, and its image ${image} declares the user ${PROXY_ID}; choose another`,
          ]
        : []),
    ];
  });
}

const ID_CAPABILITIES = ["SETUID", "SETGID"];

/**
 * How a container can change its user or group, as far as its spec shows. A container without these fields gets no
 * warning: Kubernetes allows escalation by default, and a warning on every pod would be ignored.
 */
function describeIdChange(pod: Pod, container: Container): string | undefined {
  const context = container.securityContext;
  const added = namesOf(context?.capabilities?.add).filter((name) => ID_CAPABILITIES.includes(name));
  if (added.length > 0) return `has ${added.join(", ")}`;
  if (context?.allowPrivilegeEscalation === true) return "has allowPrivilegeEscalation: true";
  const dropped = namesOf(context?.capabilities?.drop);
  const mayChange = !dropped.includes("ALL") && !ID_CAPABILITIES.every((name) => dropped.includes(name));
  return userOf(pod, container) === 0 && mayChange ? "runs as root with SETUID and SETGID" : undefined;
}

/** Without their prefix; runtimes take them in any case. */
export function namesOf(capabilities: readonly string[] | null | undefined): readonly string[] {
  return (capabilities ?? []).map((name) => name.toUpperCase().replace(/^CAP_/, ""));
}
