"""Shipped experiments, of which none may be lost; many had a file of their own before they became variants.

name of the experiment, name of its runs, strategy; then the options of the strategy, where it has any.
"""

TABLE = """
bdd100k-coreset                                    bdd100k                      coreset
bdd100k-full                                       bdd100k                      full
bdd100k-mc-dropout                                 bdd100k                      mc-variance
bdd100k-qbc                                        bdd100k                      vote-entropy
bdd100k-random                                     bdd100k                      random
bdd100k-vaal                                       bdd100k                      vaal latent=128 size=256
camvid-cereals                                     camvid-cereals               cereals size=128
camvid-cereals-entropy                             camvid-cereals               region-entropy size=128
camvid-cereals-full                                camvid-cereals               full
camvid-cereals-random                              camvid-cereals               region-random size=128
camvid-entropy                                     camvid                       entropy
camvid-random                                      camvid                       random
camvid-vaal                                        camvid                       vaal
cityscapes-cereals                                 cityscapes-cereals           cereals size=128
cityscapes-cereals-entropy                         cityscapes-cereals           region-entropy size=128
cityscapes-cereals-full                            cityscapes-cereals           full
cityscapes-cereals-random                          cityscapes-cereals           region-random size=128
cityscapes-cereals-size-512                        cityscapes-cereals-512       cereals size=512
cityscapes-cereals-vote-entropy                    cityscapes-cereals-votes     cereals size=128 uncertainty=vote-entropy
cityscapes-coreset                                 cityscapes                   coreset
cityscapes-full                                    cityscapes                   full
cityscapes-mc-dropout                              cityscapes                   mc-variance
cityscapes-qbc                                     cityscapes                   vote-entropy
cityscapes-random                                  cityscapes                   random
cityscapes-vaal                                    cityscapes                   vaal latent=128 size=256
clinicdb-bvsb                                      clinicdb                     bvsb
clinicdb-full                                      clinicdb                     full
clinicdb-pca-coreset                               clinicdb                     pca-coreset
clinicdb-random                                    clinicdb                     random
clinicdb-s2-asa                                    clinicdb-s2                  asa
clinicdb-s2-coreset                                clinicdb-s2                  coreset
clinicdb-s2-entropy                                clinicdb-s2                  entropy
clinicdb-s2-random                                 clinicdb-s2                  random
clinicdb-ta-coreset                                clinicdb                     ta-coreset
clinicdb-unc-ta-coreset                            clinicdb                     unc-ta-coreset
clinicdb-uncertainty-clustering                    clinicdb-s2                  uncertainty-clustering size_normalised=true
clinicdb-uncertainty-clustering-k-means            clinicdb-s2-k-means          uncertainty-clustering size_normalised=false
clinicdb-uncertainty-clustering-no-clustering      clinicdb-s2-no-clustering    uncertainty-clustering clustering=false size_normalised=true
clinicdb-uncertainty-clustering-no-discrepancy     clinicdb-s2-no-discrepancy   uncertainty-clustering size_normalised=true
clinicdb-uncertainty-clustering-no-uncertainty     clinicdb-s2-no-uncertainty   uncertainty-clustering uncertainty=false size_normalised=true
clinicdb-vaal                                      clinicdb                     vaal
demo                                               demo                         ta-coreset
depth-demo                                         depth-demo                   unc-ta-coreset measure="deviation"
depth-full                                         depth                        full
depth-pca-coreset                                  depth                        pca-coreset
depth-random                                       depth                        random
depth-ta-coreset                                   depth                        ta-coreset
depth-unc-ta-coreset                               depth                        unc-ta-coreset measure="deviation"
depth-vaal                                         depth                        vaal
glas-full                                          glas                         full
glas-random                                        glas                         random
glas-suggestive                                    glas                         suggestive
glas-uncertainty                                   glas                         mc-variance
isic-ceal                                          isic                         ceal-melanoma
isic-random                                        isic                         random
kvasir-bvsb                                        kvasir                       bvsb
kvasir-cereals                                     kvasir-cereals               cereals size=128
kvasir-cereals-entropy                             kvasir-cereals               region-entropy size=128
kvasir-cereals-full                                kvasir-cereals               full
kvasir-cereals-random                              kvasir-cereals               region-random size=128
kvasir-coreset                                     kvasir                       coreset
kvasir-entropy                                     kvasir                       entropy
kvasir-full                                        kvasir                       full
kvasir-information-density                         kvasir                       information-density
kvasir-least-confidence                            kvasir                       least-confidence
kvasir-pca-coreset                                 kvasir                       pca-coreset
kvasir-pix2pix-pca-coreset                         kvasir-pix2pix               pca-coreset
kvasir-pix2pix-random                              kvasir-pix2pix               random
kvasir-pix2pix-ta-coreset                          kvasir-pix2pix               ta-coreset
kvasir-pix2pix-unc-pca-coreset                     kvasir-pix2pix               unc-pca-coreset
kvasir-pix2pix-unc-pca-hash                        kvasir-pix2pix               unc-pca-hash
kvasir-pix2pix-unc-ta-coreset                      kvasir-pix2pix               unc-ta-coreset
kvasir-pix2pix-vaal                                kvasir-pix2pix               vaal
kvasir-random                                      kvasir                       random
kvasir-ta-coreset                                  kvasir                       ta-coreset
kvasir-unc-pca-coreset                             kvasir                       unc-pca-coreset
kvasir-unc-pca-hash                                kvasir                       unc-pca-hash
kvasir-unc-ta-coreset                              kvasir                       unc-ta-coreset
kvasir-vaal                                        kvasir                       vaal
"""  # noqa: E501

ROWS = [line.split() for line in TABLE.strip().splitlines()]
NAMES = [row[0] for row in ROWS]
