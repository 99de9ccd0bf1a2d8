/**
 * The names of the control plane's own certificate: those by which sidecars, Istio's included, and API servers call it.
 * A revision has a Service of its own, whose name is in the mesh configuration.
 */
export function servingNames(namespace: string, discoveryHost: string | undefined): readonly string[] {
  const services = [`istiod.${namespace}.svc`, ...(discoveryHost?.endsWith(".svc") ? [discoveryHost] : [])];
  const names = services.flatMap((name) => [name, `${name}.cluster.local`, name.replace(/\.svc$/, "")]);
  const others = discoveryHost === undefined ? [] : [discoveryHost];
  return [...new Set([...names, ...others, "localhost"])];
}
