import { X509Certificate } from "node:crypto";

/** Peers of one proxy are tens of workloads; their certificates change twice a day. */
const MAX_KNOWN = 512;
/** A workload's certificate has 600 to 1,500 bytes. Larger ones are parsed each time. */
const MAX_BYTES = 4096;

/** Parsed certificates by their DER, as latin1 text. An entry is a cache of what follows from its key alone. */
const KNOWN = new Map<string, WeakRef<X509Certificate>>();

/**
 * The certificate with this DER: one object for all connections of the same peer, as long as one of them has it. It saves
 * 6 KB a connection. Only the parsed object is shared, which nobody can change; every handshake is judged anew. A client
 * that shows many certificates only empties the cache, which is bounded (2 MB of keys).
 * @throws if it cannot be parsed.
 */
export function internCertificate(der: Buffer): X509Certificate {
  if (der.length > MAX_BYTES) return new X509Certificate(der);
  const key = der.toString("latin1");
  const known = KNOWN.get(key)?.deref();
  if (known !== undefined) return known;
  const parsed = new X509Certificate(der);
  if (KNOWN.size >= MAX_KNOWN) KNOWN.clear();
  KNOWN.set(key, new WeakRef(parsed));
  return parsed;
}
