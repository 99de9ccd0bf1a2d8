import { generateKeyPairSync, randomBytes, randomInt } from "node:crypto";
import { MAX_CHAIN_BYTES, MAX_CHAIN_CERTIFICATES } from "../../mesh/identity/chain-limits.ts";
import { formatDer, formatInteger, formatOid, formatSequence } from "../../mesh/identity/der-writer.ts";
import {
  ecKey,
  formatPublicKeyInfo,
  type HostileChain,
  type HostileKey,
  hostileDsaKey,
  hostileKeyOf,
  hostileRsaKey,
  mintCrossIssued,
  mintLadder,
  type SigningKey,
  signingKey,
} from "../../mesh/identity/hostile-chain-fixture.ts";

/** One way to make a chain expensive. */
export interface ChainKind {
  readonly name: string;
  readonly key: () => HostileKey;
  /** @default on P-256 */
  readonly leaf?: () => SigningKey;
}

const F4 = Uint8Array.of(1, 0, 1);
const ECDSA_SHA256 = "1.2.840.10045.4.3.2";

/** Keys of every type that OpenSSL can use in a certificate, at their most expensive, and those that are accepted. */
export const KINDS: readonly ChainKind[] = [
  { name: "DSA 10000", key: () => hostileDsaKey(10_000) },
  { name: "DSA 3072", key: () => hostileDsaKey(3072) },
  { name: "RSA 16384, exponent of 64 bits", key: () => hostileRsaKey(16_384, Buffer.alloc(8, 0xff)) },
  { name: "RSA 16384", key: () => hostileRsaKey(16_384, F4) },
  { name: "RSA 3072, exponent of 3064 bits", key: () => hostileRsaKey(3072, Buffer.alloc(383, 0x7f)) },
  { name: "RSA 8192 (accepted)", key: () => hostileRsaKey(8192, F4) },
  { name: "RSA 2048 (accepted)", key: () => hostileRsaKey(2048, F4) },
  { name: "P-256 (accepted)", key: () => ecKey() },
  { name: "P-384 (accepted)", key: () => signingKey("P-384"), leaf: () => signingKey("P-384") },
  { name: "P-521", key: () => signingKey("P-521") },
  { name: "secp256k1", key: () => signingKey("secp256k1") },
  { name: "brainpoolP512r1", key: () => signingKey("brainpoolP512r1") },
  { name: "sect571r1", key: () => signingKey("sect571r1") },
  { name: "a curve of its own, its point compressed", key: explicitCurveKey },
  { name: "Ed25519", key: () => keyOfPair(generateKeyPairSync("ed25519").publicKey, 64) },
  { name: "Ed448", key: () => keyOfPair(generateKeyPairSync("ed448").publicKey, 114) },
  { name: "ML-DSA-87", key: () => keyOfPair(generateKeyPairSync("ml-dsa-87").publicKey, 4627) },
];

/** Of one kind, of several, or cross-issued; from one certificate to as many as a handshake may carry. */
export function randomChain(kind: ChainKind): HostileChain {
  const bytes = mintLadder([kind.key(), kind.key()]).certificates[1]?.length ?? MAX_CHAIN_BYTES;
  const count = randomInt(1, Math.max(2, Math.floor(MAX_CHAIN_BYTES / bytes)));
  switch (randomInt(4)) {
    case 0:
      return mintLadder(Array.from({ length: count }, kind.key));
    case 1:
      return mintLadder(Array.from({ length: count }, (_, index) => (index % 2 === 0 ? kind.key() : ecKey())));
    case 2:
      return mintCrossIssued(kind.key(), count);
    default:
      return mintLadder(Array.from({ length: MAX_CHAIN_CERTIFICATES - 1 }, kind.key), kind.leaf?.());
  }
}

/** y² = x³ + ax + b over a field of 661 bits, which is OpenSSL's largest; the square root is the reader's work. */
function explicitCurveKey(): HostileKey {
  const octets = 83;
  const prime = randomBytes(octets);
  prime[0] = 0x1f;
  prime[octets - 1] = (prime.at(-1) ?? 0) | 0x7;
  const parameters = formatSequence(
    formatInteger(Uint8Array.of(1)),
    formatSequence(formatOid("1.2.840.10045.1.1"), formatInteger(prime)),
    formatSequence(
      formatDer(0x04, randomBytes(octets).fill(0, 0, 1)),
      formatDer(0x04, randomBytes(octets).fill(0, 0, 1)),
    ),
    formatDer(0x04, Buffer.concat([Buffer.from([2, 0]), randomBytes(octets - 1)])),
    formatInteger(prime),
    formatInteger(Uint8Array.of(1)),
  );
  const algorithm = formatSequence(formatOid("1.2.840.10045.2.1"), parameters);
  const point = Buffer.concat([Buffer.from([2, 0]), randomBytes(octets - 1)]);
  return hostileKeyOf(formatPublicKeyInfo(algorithm, point), ECDSA_SHA256, 140);
}

function keyOfPair(publicKey: ReturnType<typeof generateKeyPairSync>["publicKey"], signatureBytes: number): HostileKey {
  const publicKeyInfo = publicKey.export({ type: "spki", format: "der" });
  return hostileKeyOf(publicKeyInfo, ECDSA_SHA256, signatureBytes);
}
