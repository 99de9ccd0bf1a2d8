const GRPC = "application/grpc";

/**
 * Whether a `content-type` is gRPC's: `application/grpc`, `application/grpc+proto`, `application/grpc;charset=utf-8`.
 * gRPC-Web (`application/grpc-web`) is not: it has no trailers of HTTP. Media types have no case (RFC 9110 §8.3.1).
 */
export function isGrpcContentType(value: string | undefined): boolean {
  if (value === undefined || value.length < GRPC.length) return false;
  if (value === GRPC) return true;
  if (value.slice(0, GRPC.length).toLowerCase() !== GRPC) return false;
  return /^(?:\+[^\s;]|[ \t]*(?:;|$))/.test(value.slice(GRPC.length));
}
