/**
 * What it takes to load a package and to make a first key package, in a process of its own:
 * `import.mjs none|coterie|ts-mls|davey [import|keyPackage]`. Runs where the package is installed.
 */
const [, , name, upTo = 'import'] = process.argv

const packages = {
  none: () => undefined,
  coterie: async () => {
    const { Device } = await import('coterie/mls')
    return async () => (await Device.create({ identity: 'first' })).keyPackage()
  },
  'ts-mls': async () => {
    const mls = await import('ts-mls')
    return async () => {
      const suiteName = 'MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519'
      const suite = await mls.getCiphersuiteImpl(mls.getCiphersuiteFromName(suiteName))
      const credential = { credentialType: 'basic', identity: new TextEncoder().encode('first') }
      const { publicPackage: keyPackage } = await mls.generateKeyPackage(
        credential,
        mls.defaultCapabilities(),
        mls.defaultLifetime,
        [],
        suite,
      )
      return mls.encodeMlsMessage({ version: 'mls10', wireformat: 'mls_key_package', keyPackage })
    }
  },
  davey: async () => {
    const { DAVE_PROTOCOL_VERSION, DAVESession } = await import('@snazzah/davey')
    return () => new DAVESession(DAVE_PROTOCOL_VERSION, '1', '1').getSerializedKeyPackage()
  },
}

const start = process.hrtime.bigint()
const first = await packages[name]()
const bytes = upTo === 'keyPackage' ? await first() : undefined
const elapsed = Number(process.hrtime.bigint() - start)
const rss = process.memoryUsage.rss()
if (upTo === 'keyPackage' && !(bytes.length > 100)) throw new Error('no key package')
process.stdout.write(JSON.stringify({ elapsed: [elapsed], rss: [rss] }))
