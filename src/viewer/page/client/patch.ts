import { type Operation, OutOfStep } from "./frames"

/**
 * The value that operations make of another, which stays as it is; what they are not about is the same object in both.
 *
 * @throws OutOfStep if they do not fit it.
 */
export function patched(value: unknown, operations: readonly Operation[]): unknown {
  try {
    return operations.reduce((value, operation) => {
      const [root, ...names] = operation.path.split("/")
      if (root !== "") throw new OutOfStep(`not a place: ${operation.path}`)
      return within(value, names, operation)
    }, value)
  } catch (error) {
    throw error instanceof OutOfStep ? error : new OutOfStep("not a patch", { cause: error })
  }
}

function within(value: unknown, [encoded, ...rest]: readonly string[], operation: Operation): unknown {
  if (encoded === undefined) return become(value, operation)
  const name = encoded.replaceAll("~1", "/").replaceAll("~0", "~")
  const isThere = typeof value === "object" && value !== null && Object.hasOwn(value, name)
  if (Array.isArray(value) && isThere && /^\d+$/.test(name)) {
    const copy = [...value]
    copy[Number(name)] = within(value[Number(name)], rest, operation)
    return copy
  }
  const isNew = rest.length === 0 && "value" in operation
  if (typeof value !== "object" || value === null || Array.isArray(value) || !(isThere || isNew)) {
    throw new OutOfStep(`nothing is at ${operation.path}`)
  }
  const copy: Record<string, unknown> = { ...value }
  if (rest.length === 0 && "removed" in operation) {
    delete copy[name]
    return copy
  }
  const into = within(isThere ? copy[name] : undefined, rest, operation)
  // An assignment would take some names for more than names.
  return Object.defineProperty(copy, name, { value: into, configurable: true, enumerable: true, writable: true })
}

function become(value: unknown, operation: Operation): unknown {
  if ("value" in operation) return operation.value
  const { append } = operation as { append?: unknown }
  if (typeof value === "string" && typeof append === "string") return value + append
  if (Array.isArray(value) && Array.isArray(append)) return [...value, ...append]
  throw new OutOfStep(`nothing to append to is at ${operation.path}`)
}
