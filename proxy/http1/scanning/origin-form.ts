/** A request target as a server gets it: of an absolute form its path and query (RFC 9112 §3.2.1), else as it is. */
export function originForm(target: string): string {
  if (target.startsWith("/") || target === "*") return target;
  const path = target.replace(/^https?:\/\/[^/?]*/i, "");
  return path.startsWith("/") ? path : `/${path}`;
}
