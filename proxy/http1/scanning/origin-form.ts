/** A request target in origin form: path and query of an absolute form (RFC 9112 §3.2.1), else unchanged. */
export function originForm(target: string): string {
  if (target.startsWith("/") || target === "*") return target;
  const path = target.replace(/^https?:\/\/[^/?]*/i, "");
  return path.startsWith("/") ? path : `/${path}`;
}
