import { isIPv4, isIPv6 } from "node:net";
import { CaptureError } from "./capture-error.ts";

export type IpFamily = "ipv4" | "ipv6";

/** A CIDR block in the same form that iptables prints: host bits cleared, IPv6 compressed. */
export interface IpRange {
  readonly family: IpFamily;
  /** `10.0.0.0/8` */
  readonly text: string;
  /** Whether its first address is a loopback address. This is Istio's check, so `0.0.0.0/0` does not count. */
  readonly isLoopback: boolean;
}

/** Parses `10.0.0.0/8`, `2001:db8::/32`, or a single address, which is a block of one. */
export function parseIpRange(text: string): IpRange {
  const [address = "", length, ...rest] = text.trim().split("/");
  const family = familyOf(address);
  if (family === undefined || rest.length > 0) throw invalidRange(text);
  const bits = family === "ipv4" ? 32 : 128;
  const prefix = length === undefined ? bits : parsePrefix(length, bits);
  if (prefix === undefined) throw invalidRange(text);
  const mask = ((1n << BigInt(prefix)) - 1n) << BigInt(bits - prefix);
  const value = (family === "ipv4" ? numberFromIpv4(address) : numberFromIpv6(address)) & mask;
  return {
    family,
    text: `${family === "ipv4" ? formatIpv4(value) : formatIpv6(value)}/${prefix}`,
    isLoopback: family === "ipv4" ? value >> 24n === 127n : value === 1n,
  };
}

/** A zone (`fe80::1%eth0`) names an interface of one machine; iptables rules cannot contain it. */
function familyOf(address: string): IpFamily | undefined {
  if (isIPv4(address)) return "ipv4";
  return isIPv6(address) && !address.includes("%") ? "ipv6" : undefined;
}

function parsePrefix(text: string, bits: number): number | undefined {
  return /^\d{1,3}$/.test(text) && Number(text) <= bits ? Number(text) : undefined;
}

function numberFromIpv4(address: string): bigint {
  return address.split(".").reduce((value, part) => (value << 8n) | BigInt(part), 0n);
}

/** The URL parser normalizes every IPv6 spelling, including dotted tails, to hexadecimal groups. */
function numberFromIpv6(address: string): bigint {
  const groups = new URL(`http://[${address}]`).hostname.slice(1, -1);
  const [head = "", tail] = groups.split("::");
  const before = head === "" ? [] : head.split(":");
  const after = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = tail === undefined ? 0 : 8 - before.length - after.length;
  const all = [...before, ...new Array<string>(zeros).fill("0"), ...after];
  return all.reduce((value, group) => (value << 16n) | BigInt(`0x${group}`), 0n);
}

function formatIpv4(value: bigint): string {
  return [24n, 16n, 8n, 0n].map((shift) => (value >> shift) & 255n).join(".");
}

function formatIpv6(value: bigint): string {
  const groups = [112n, 96n, 80n, 64n, 48n, 32n, 16n, 0n].map((shift) => ((value >> shift) & 0xffffn).toString(16));
  return new URL(`http://[${groups.join(":")}]`).hostname.slice(1, -1);
}

function invalidRange(text: string): CaptureError {
  return new CaptureError(
    "invalid_value",
    `"${text}" is not an IP range; use an address or a CIDR block such as 10.0.0.0/8`,
  );
}
