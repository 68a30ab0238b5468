/** What a Linux shared library needs from the system, read from the file itself (64-bit little-endian ELF). */
import { readFileSync } from 'node:fs'

const SECTION = { DYNAMIC: 6, VERSION_NEEDS: 0x6ffffffe }
const NEEDED = 1n

/**
 * @param {string} path
 * @returns {{ libraries: string[], versions: string[] }} the libraries by name, and the symbol versions such as
 *   `GLIBC_2.28` that they must offer
 */
export function elfNeeds(path) {
  const file = readFileSync(path)
  if (file.readUInt32BE(0) !== 0x7f454c46 || file[4] !== 2 || file[5] !== 1) {
    throw new Error(`${path} is not a 64-bit little-endian ELF file`)
  }
  const sections = sectionsOf(file)
  return { libraries: libraries(file, sections), versions: versions(file, sections) }
}

/** The newest version of glibc among symbol versions, as `2.28`. */
export function glibcFloor(symbolVersions) {
  return symbolVersions
    .flatMap((version) => /^GLIBC_([\d.]+)$/.exec(version)?.[1] ?? [])
    .toSorted((a, b) => a.localeCompare(b, 'en', { numeric: true }))
    .at(-1)
}

function sectionsOf(file) {
  const start = Number(file.readBigUInt64LE(0x28))
  const [size, count] = [file.readUInt16LE(0x3a), file.readUInt16LE(0x3c)]
  return Array.from({ length: count }, (_, index) => {
    const at = start + index * size
    return {
      type: file.readUInt32LE(at + 4),
      offset: Number(file.readBigUInt64LE(at + 0x18)),
      size: Number(file.readBigUInt64LE(at + 0x20)),
      /** For both kinds we read: the section that holds their strings. */
      strings: file.readUInt32LE(at + 0x28),
      /** For version needs: how many libraries. */
      info: file.readUInt32LE(at + 0x2c),
    }
  })
}

function libraries(file, sections) {
  const dynamic = sections.find(({ type }) => type === SECTION.DYNAMIC)
  if (!dynamic) return []
  const names = []
  for (let at = dynamic.offset; at < dynamic.offset + dynamic.size; at += 16) {
    if (file.readBigInt64LE(at) === NEEDED) {
      names.push(text(file, sections[dynamic.strings].offset + Number(file.readBigUInt64LE(at + 8))))
    }
  }
  return names
}

function versions(file, sections) {
  const needs = sections.find(({ type }) => type === SECTION.VERSION_NEEDS)
  if (!needs) return []
  const found = []
  let library = needs.offset
  for (let left = needs.info; left > 0; left -= 1) {
    let version = library + file.readUInt32LE(library + 8)
    for (let more = file.readUInt16LE(library + 2); more > 0; more -= 1) {
      found.push(text(file, sections[needs.strings].offset + file.readUInt32LE(version + 8)))
      version += file.readUInt32LE(version + 12)
    }
    library += file.readUInt32LE(library + 12)
  }
  return found
}

function text(file, start) {
  return file.toString('utf8', start, file.indexOf(0, start))
}
