"""Input gradient regularization: penalty, attacks and robustness bounds for any torch model.

A tour of the rooms, in the order in which data flows. The names on the right are those that a user types first: they can be
imported from here as well, `from tulip_lite import pgd`.

    data          images and labels: sample, CIFAR, any folder, augmentation
    models        PocketNet, and any network in eval mode or with scaled logits     PocketNet
    activations   the C² smooth ReLU, in any network                                with_activation, SmoothReLU, smooth_relu
    losses        per image: cross-entropy, margin, soft margin
    norms         ℓ2 and ℓ∞: size, dual, steepest direction, projection
    gradients     a loss seen from an image: gradient, its dual norm, along a line
    curvature     extreme eigenvalues of the Hessian in the image                   hessian_extremes
    attacks       within a radius (pgd), or the nearest by a suite (smallest)       pgd, smallest
    objectives    what is minimised: penalty, adversarial training, noise           GradientPenalty, AdversarialTraining
    bounds        what the loss promises: formulas, constants, proofs, smoothing    lipschitz_bound, curvature_bound
    training      one fit for every objective                                       fit
    recipes       which network is trained how
    measure       one pass over images
    results       what this project measured, as files
    experiments   what `python -m tulip_lite` does
    tables, figures, widgets, book                  how it is shown
    storage, checks, intervals                      what the rooms stand on: files, input checks, exact confidence intervals

Images x are float tensors (B, C, H, W) in [0, 1], labels y are (B,), distances in pixel units; a norm is always that of the
perturbation. Nothing is imported before it is used.
"""

import lazy_loader

# the names are those of __init__.pyi, which type checkers read too
__getattr__, __dir__, _ = lazy_loader.attach_stub(__name__, __file__)
