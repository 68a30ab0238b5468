/**
 * A registry on loopback that offers our tarballs as if they were published, so that npm itself picks the platform's
 * package, and nothing is fetched from elsewhere.
 */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

interface Manifest {
  readonly name: string
  readonly version: string
}

export interface Offer {
  readonly manifest: Manifest
  /** Absent for a platform that was not built here: nobody on this machine may ask for it. */
  readonly tarball?: string
}

export interface Registry extends AsyncDisposable {
  readonly url: string
  /** The packages whose tarballs were fetched. */
  readonly fetched: ReadonlySet<string>
}

export async function startRegistry(offers: readonly Offer[]): Promise<Registry> {
  const fetched = new Set<string>()
  const byName = new Map(offers.map((offer) => [offer.manifest.name, offer]))
  const server = createServer((request, response) => {
    const path = decodeURIComponent(request.url ?? '').slice(1)
    const tarballOf = path.startsWith('-/') ? path.slice(2) : undefined
    const offer = byName.get(tarballOf ?? path)
    if (tarballOf !== undefined) fetched.add(tarballOf)
    if (offer === undefined || (tarballOf !== undefined && offer.tarball === undefined)) {
      response.writeHead(404).end('{}')
    } else if (tarballOf !== undefined && offer.tarball !== undefined) {
      response.end(readFileSync(offer.tarball))
    } else {
      response.setHeader('content-type', 'application/json')
      response.end(JSON.stringify(document(offer, url)))
    }
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
  return {
    url,
    fetched,
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.closeAllConnections()
        server.close(() => resolve())
      }),
  }
}

function document({ manifest, tarball }: Offer, url: string) {
  const integrity = `sha512-${createHash('sha512')
    .update(tarball === undefined ? '' : readFileSync(tarball))
    .digest('base64')}`
  const dist = { tarball: `${url}-/${encodeURIComponent(manifest.name)}`, integrity }
  return {
    name: manifest.name,
    'dist-tags': { latest: manifest.version },
    versions: { [manifest.version]: { ...manifest, dist } },
  }
}
