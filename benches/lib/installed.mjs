/** How much an installed package takes. */
import { lstatSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

/** Bytes of the files in `node_modules`, by package. npm's own notes are not the package's. */
export function installed(folder) {
  const modules = join(folder, 'node_modules')
  const names = readdirSync(modules)
    .filter((name) => !name.startsWith('.'))
    .flatMap((name) =>
      name.startsWith('@') ? readdirSync(join(modules, name)).map((inner) => `${name}/${inner}`) : [name],
    )
  return Object.fromEntries(names.map((name) => [name, bytesUnder(join(modules, name))]))
}

function bytesUnder(path) {
  const status = lstatSync(path)
  if (!status.isDirectory()) return status.size
  return readdirSync(path).reduce((sum, name) => sum + bytesUnder(join(path, name)), 0)
}
