/**
 * Converts header operations, hosts and paths to messages and back; received ones are checked by the same rules as
 * configuration.
 */
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { HeaderEdit, HeaderOperations, HeaderValue } from "../policy/routing/http-route.ts";
import {
  findAuthorityFault,
  findHeaderNameFault,
  findHeaderValueFault,
  findPathFault,
} from "../resources/fields/header-rules.ts";
import { ConvertError } from "./convert-error.ts";
import type {
  HeaderEdit as HeaderEditMessage,
  HeaderOperations as HeaderOperationsMessage,
  HeaderOperationsSchema,
  HeaderValue as HeaderValueMessage,
} from "./gen/discovery_pb.ts";

export function messageFromHeaders(operations: HeaderOperations): MessageInitShape<typeof HeaderOperationsSchema> {
  return { request: editMessage(operations.request), response: editMessage(operations.response) };
}

function editMessage({ set, add, remove }: HeaderEdit) {
  return { set: [...set], add: [...add], remove: [...remove] };
}

/** Throws if an operation names a field that no route may change, or has a value that cannot be sent. */
export function headersFromMessage({ request, response }: HeaderOperationsMessage): HeaderOperations {
  return { request: editFromMessage(request), response: editFromMessage(response) };
}

function editFromMessage(message: HeaderEditMessage | undefined): HeaderEdit {
  return {
    set: (message?.set ?? []).map(valueFromMessage),
    add: (message?.add ?? []).map(valueFromMessage),
    remove: (message?.remove ?? []).map(parseName),
  };
}

function valueFromMessage({ name, value }: HeaderValueMessage): HeaderValue {
  const fault = findHeaderValueFault(value);
  if (fault !== undefined) throw new ConvertError(`the value of the header ${JSON.stringify(name)} ${fault}`);
  return { name: parseName(name), value };
}

function parseName(name: string): string {
  const fault = findHeaderNameFault(name);
  if (fault !== undefined) throw new ConvertError(fault);
  return name.toLowerCase();
}

export function parseAuthority(text: string): string {
  const fault = findAuthorityFault(text);
  if (fault !== undefined) throw new ConvertError(`a route's authority ${fault}`);
  return text;
}

export function parsePath(text: string): string {
  const fault = findPathFault(text);
  if (fault !== undefined) throw new ConvertError(`a route's path ${fault}`);
  return text;
}
