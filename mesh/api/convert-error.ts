import { MeshError } from "../mesh-error.ts";

/** A message of the discovery service that makes no sense: the sender is broken or of another version. */
export class ConvertError extends MeshError<"bad_message"> {
  constructor(message: string) {
    super("bad_message", message);
  }
}
