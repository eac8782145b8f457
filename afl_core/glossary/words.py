"""What the words of the pages mean, by subject; metrics and measures explain themselves in `METRICS` and `MEASURES`."""

DATA = {
    "Affine": "The 4 x 4 matrix in the header of an image that turns the number of a voxel into a place in mm.",
    "Case": "One study of one patient: its images and, where there is one, its reference.",
    "Component": "Voxels of a mask that hang together, over faces, edges and corners (26-connected).",
    "Empty mask": "A mask without any voxel. Each metric declares what it gives when the prediction, the reference "
    "or both are empty, so a missed tumour is counted and never left out. Means are over all cases, also those without "
    "a tumour; the mean over those with one is named beside them.",
    "Grid": "The voxels of an image: how many along each axis, how large, and where in the patient. Two masks can be "
    "compared only on one grid.",
    "Label": "The whole number that a reference stores in a voxel, such as 2 for edema. The same number means "
    "different things in different data sets.",
    "Layout": "How the files of a data set are named and ordered in folders. It is recognised from the names, or "
    "described in a file afl-layout.toml.",
    "Lesion": "One component of a reference. A case can have several.",
    "Mask": "A 3-D image of yes and no: each voxel is tumour or it is not.",
    "Patient": "A person; all studies of one patient belong together. The patient is the unit of all statistics and "
    "splits, because two studies of one person are not independent.",
    "Prediction": "The tumour mask that a source gives for a case.",
    "Reference": "The mask that counts as right, usually drawn by an expert. Some call it ground truth.",
    "Region": "Which labels count as tumour: the whole tumour, the tumour core (tc), the enhancing tumour (et), or a "
    "name of your own.",
    "Sequence": "One kind of image of a case, such as FLAIR, T1, T2W or ADC. A network takes some of them, in order.",
    "Spacing": "The size of a voxel in mm along each axis.",
    "Table of patients": "A CSV or TSV file with the columns case_id and patient, for data sets whose names do not "
    "say who is one patient.",
    "Trust the order of voxels": "Files of one shape are taken to lie on one grid, voxel by voxel as stored, "
    "whatever their headers say: for masks that lost their header.",
    "Tumour volume": "Number of tumour voxels times the volume of a voxel, in ml.",
    "Voxel": "One small box of a 3-D image.",
}

SHAPE = {
    "Compactness": "36 pi V^2 / A^3 for volume V and surface area A: 1 is a sphere. It is sphericity cubed (IBSI "
    "BQWJ).",
    "Elongation": "Second over first principal axis of a lesion: 1 is not elongated, near 0 is very long (IBSI Q3CK).",
    "Released smoothness": "gamma_mSa as the paper's code computes it: the mean of |grad(mask)| over all voxels of "
    "the volume, which is surface area over the number of voxels. It grows with the tumour, so it sorts by size "
    "again.",
    "Roughness": "The share of a lesion that moves when its boundary is made smooth: 1 - Dice of the lesion and its "
    "smooth form of the same volume. 0 is smooth; it hardly depends on size. Empty for lesions too small to carry "
    "one (this project, docs/shape.md).",
    "Size-free": "A quantity that does not grow or shrink with the volume of the tumour. Roughness is nearly so; the "
    "released smoothness is not.",
    "Sphericity": "Area of the sphere of the same volume over the area of the lesion, pi^(1/3) (6 V)^(2/3) / A: 1 is "
    "a sphere (IBSI QCFX).",
}

LOSS = {
    "A-FL": "Adaptive focal loss: a focal loss, -alpha (1 - p_t)^gamma log(p_t), whose alpha and gamma come from "
    "each case's own reference (arXiv 2407.09828).",
    "Alpha (alpha_va)": "The weight in A-FL, P_bg / (P_fg + P_bg): the share of the voxels that are background. P_fg "
    "and P_bg are the numbers of tumour and background voxels.",
    "By channel": "The released reading of alpha: the background channel of the network is weighted by alpha_va and "
    "the tumour channel by gamma_va, so the tumour channel gets hardly any weight.",
    "By class": "The usual reading of alpha: tumour voxels are weighted by alpha_va and background voxels by 1 - "
    "alpha_va, so both classes weigh the same in total (Lin et al. 2017).",
    "Same for all": "The reading of alpha as the paper prints it: alpha_va multiplies every voxel, so nothing is "
    "balanced.",
    "Cross-entropy (CE)": "-log(p_t), averaged over the voxels. It is a focal loss with gamma 0.",
    "Focal loss (FL)": "-(1 - p_t)^gamma log(p_t), here with gamma 2: voxels that are already right count little "
    "(Lin et al. 2017).",
    "Focusing": "What gamma does: the higher it is, the more a loss looks away from voxels that are already right.",
    "gamma_adaptive": "The gamma of A-FL: gamma_va + gamma_mSa.",
    "gamma_mSa": "The second part of A-FL's gamma, the paper's mean surface smoothness. It can be read as released, "
    "over the boundary, or scale-free.",
    "gamma_va": "The first part of A-FL's gamma: the tumour's share of all voxels, P_fg / (P_fg + P_bg) = 1 - "
    "alpha_va.",
    "As released": "The reading of gamma_mSa in the authors' code: boundary faces over all voxels, almost 0 for a "
    "small tumour.",
    "Over the boundary": "The reading of gamma_mSa in the paper's text: boundary faces over the voxels of the "
    "boundary. It is nearly the same for every tumour.",
    "Scale-free": "A reading of gamma_mSa of our own: roughness, which does not grow with the tumour.",
    "None": "The choice that leaves a term of A-FL out: no weights, or no smoothness in gamma.",
    "Scale of gamma": "A number that multiplies gamma_va + gamma_mSa; 1 as released. Below 0, with an offset, small "
    "tumours get more focus than large ones.",
    "Scale of gamma_va": "A number that multiplies gamma_va alone, before the sum is scaled; 1 as released, 0 leaves "
    "gamma_va out. Below 0, gamma falls with the size of the tumour and still rises with its roughness.",
    "Offset of gamma": "A number that is added to the scaled gamma; 0 as released. The focal loss is an offset of 2 "
    "and nothing else.",
    "Gradient": "How strongly and in which direction a loss pulls at a network's output in each voxel.",
    "Loss": "The number that a training makes smaller: it says how far the probabilities are from the reference.",
    "Logit": "The number that a network gives for a voxel, before it is turned into a probability.",
    "p_t": "The probability that the network gives to the right class of a voxel.",
    "Preset": "A set of settings with a name: of A-FL, what the authors ran (released_code) or what the paper prints "
    "(paper_equation); of a training, the demo or the paper's own settings.",
    "What the loss sees": "What is done to the masks before the loss: resampling, a crop, or a resize. Gamma is a "
    "share of all voxels, so a crop changes it.",
    "Background channel": "The first of the two outputs of a network in each voxel, for what is not tumour.",
    "Tumour channel": "The second of the two outputs of a network in each voxel, for tumour. The authors read the "
    "mask from it alone.",
}

MEASURING = {
    "Metrics": "Numbers that say how well a prediction agrees with the reference. The Help page defines each of them.",
    "TP, FP, FN and TN": "Voxels, or lesions, that are rightly tumour (true positive), wrongly tumour (false "
    "positive), missed (false negative) and rightly background (true negative).",
    "DSC": "Dice similarity coefficient, the same as Dice.",
    "NSD": "Normalised surface distance, the same as Surface Dice. It uses a tolerance in mm.",
    "Surface distance": "Distance in mm from a point on the surface of one mask to the nearest point on the surface "
    "of the other.",
    "Surface tolerance": "The distance in mm up to which a surface still counts as right in Surface Dice.",
    "Diagonal of the grid": "The length in mm from one corner of the image to the opposite one. It stands for the "
    "distance where a mask is empty, so a missed tumour counts as far away.",
    "Matcher": "The rule that says when a predicted component finds a lesion: any shared voxel, an IoU of at least "
    "0.5 one to one, or the rule of BraTS 2023 for a task.",
    "Missed lesion": "A lesion of the reference that no predicted component finds by the matcher.",
    "Ignored lesion": "A lesion so small that it is left out of every score. The rules of BraTS 2023 have such a "
    "size; a least size of one's own counts for false positives too.",
    "Reliability curve": "Share of the voxels of a probability that is in the reference; calibrated on the diagonal.",
    "Errors of calibration": "Distance from that diagonal in 20 bins. ECE: mean over voxels; ACE: mean over bins; MCE: "
    "the worst bin. Brier score: mean squared error of the probability, whatever its cause.",
    "Near the reference": "The reference and every voxel within 10 mm of it, the same voxels for all sources.",
    "Temperature": "A number that divides all logits of a source: above 1 makes it less sure. No mask changes.",
    "Undefined": "A value that the formula does not give, such as 0 / 0. It is shown as empty and enters no mean; "
    "how many there are is said.",
}

FOLLOW_UP = {
    "Time point": "One of several studies of a patient; the first is number 1. They stand in the order that a table of "
    "patients gives by a column date or order, else in that of the case names. The day counts from the first.",
    "Baseline": "The first time point of a patient. A change from baseline is a volume minus that of baseline.",
    "Nadir": "The smallest volume of a patient before a time point, baseline included.",
    "Response by volume": "Complete response: no volume is left. Partial response: at least 65 % less than at "
    "baseline. Progression: at least 40 % more than the nadir. Else stable. These are the volume thresholds of RANO "
    "2.0 (Wen et al. 2023) alone, without its clinical criteria: no clinical assessment.",
    "Limits of agreement": "The mean error of a source (the bias) plus and minus 1.96 standard deviations, one change "
    "a patient: 95 of 100 patients are expected between them (Bland and Altman 1986).",
}

STATISTICS = {
    "Bin": "A group of cases or lesions with similar tumour volume, or similar smoothness. There are three on each "
    "axis, and one for what has no value.",
    "Cell": "The cases or lesions that are in one bin by volume and in one bin by smoothness.",
    "Edge": "The value at which one bin ends and the next begins; it belongs to the lower bin. The edges are ours: "
    "the paper publishes none.",
    "Covariate": "What is known of a case besides size and smoothness, such as site, scanner, grade, sex or age: a "
    "column of a table, or computed. Numbers are binned by tertiles, text by its values.",
    "Contrast": "How a lesion differs from a shell of 5 mm around it on an image: the difference of means over the "
    "shell's mean. Signal to noise is the lesion's mean, contrast to noise that difference, over the shell's spread.",
    "Exploratory": "Chosen after the data were seen. Of many axes one shows a difference by chance; what an "
    "exploratory one shows is a question for the next study.",
    "Tertile": "One of the two values that cut a sorted list into three parts with equally many cases.",
    "Unit": "What one dot shows: a case or a lesion. A patient's units in a bin are averaged before anything is "
    "tested.",
    "n": "The number of patients behind a figure.",
    "Difference": "The later source minus the earlier one, on the same patient; shown as the mean over patients.",
    "Higher": "The number of patients on whom the later source is higher.",
    "Lower": "The number of patients on whom the later source is lower.",
    "Equal": "The number of patients on whom both sources have the same value.",
    "Mean": "The average over patients. The cases or lesions of one patient are averaged first.",
    "Median": "The middle value over patients: half of them have more, half have less. One patient has none.",
    "Quartile": "One of the three values that cut a sorted list into four parts with equally many cases: q1, the "
    "median, q3.",
    "Percentile": "The value below which so many percent of the cases lie, such as p95.",
    "Pair": "Two sources that are compared, the later one minus the earlier one in their order.",
    "Baseline source": "The source that all others are compared with: a difference is another source minus this one.",
    "Interval": "A range around a mean. Ranges made in this way hold the true mean in 95 of 100 studies. A difference "
    "is claimed only where its interval leaves 0 out.",
    "BCa interval": "A bootstrap interval that corrects for bias and skewness, here over patients and widened for "
    "small n (Efron 1987; Hesterberg 2014).",
    "Interval for new runs": "An interval for the difference on new patients, with networks trained anew by both "
    "losses. It is given where each loss has at least 3 seeds.",
    "Share of the runs": "How much of the variance of a mean difference comes from the training runs; the rest comes "
    "from the patients.",
    "Power": "The share of studies that would show a difference (p below 0.05) if it is as large as assumed.",
    "Patients needed": "The number of patients at which the power is 80 %, simulated with the test that is used. It is "
    "for planning: it says nothing of whether the difference is real.",
    "Ranking": "The sources in order, 1 for the best. Either a mean or median over patients is ranked, or the sources "
    "are ranked on each patient and the ranks averaged, or the sources that one is shown better than are counted "
    "(Wiesenfarth et al. 2021). Equal sources share the best of their ranks.",
    "Rank frequency": "The share of the resamples of the patients in which a source has a rank. The 95 % range leaves "
    "out at most 2.5 % of them on either side.",
    "Shown better": "One source is better than another by a one-sided Wilcoxon test, with p below 0.05 after Holm's "
    "correction for all ordered pairs.",
    "Kendall's tau": "How far two rankings agree: +1 for the same order, -1 for the reverse.",
    "Bootstrap": "Drawing the patients again and again at random, with repetition, to see how much a mean would vary.",
    "Wilcoxon test": "A test whether paired differences lie on one side of 0. It uses their ranks, so one extreme "
    "patient does not decide it (Wilcoxon 1945).",
    "p": "How often chance alone would give ranks at least this uneven if there were no difference. Below 6 patients "
    "none is given.",
    "p (Holm)": "p after Holm's correction, which counts all tests of the breakdown, so that many tests do not find "
    "a difference by chance (Holm 1979).",
    "Effect": "Rank-biserial correlation: rank sum of the patients who are higher minus that of those who are lower, "
    "over the sum of both. +1: all are higher; -1: all are lower (Kerby 2014).",
    "Spearman's rho": "Rank correlation: +1 where one quantity always grows with the other, -1 where it always "
    "falls, near 0 where neither holds.",
    "Theil-Sen line": "The line whose slope is the median of the slopes between all pairs of points. Single cases "
    "cannot tilt it.",
    "Wilson interval": "A 95 % interval for a share, such as lesion recall, that holds for small numbers too (Wilson "
    "1927).",
    "Confounding": "Two causes that come together, such as small and rough tumours: a difference by one may come "
    "from the other.",
    "Pooled": "Put together before a figure is computed. Pooled seeds are averaged case by case and compared as one "
    "source; pooled distances are one list from both surfaces.",
}

TRAINING = {
    "Argmax": "The decision rule that calls a voxel tumour where the tumour output is higher than the background "
    "output.",
    "Batch": "The patches that a network sees in one step.",
    "Checkpoint": "A trained network as files: its weights and a card that says how it was made.",
    "Decision rule": "How the two outputs of a network become a mask: from the tumour channel (above 0.5), from the "
    "background channel (its complement above 0.5), or by argmax.",
    "Epoch": "One pass over the training cases.",
    "Factors from": "Where A-FL takes alpha and gamma from in training: from each patch, or from the whole case of "
    "which the patch is a part.",
    "Fingerprint": "A SHA-256 number over files. It changes with any byte of them, so a result is measured again "
    "when its weights or files changed.",
    "Learning rate": "How far one step moves the weights.",
    "Network": "The model that turns the images of a case into two outputs for each voxel.",
    "Patch": "The block of voxels that a network sees at a time.",
    "Run": "One training, with its settings, curves, log and checkpoint in one folder under models/runs.",
    "Paired runs": "Runs that start from the same weights and see the same batches, so the loss is the only "
    "difference.",
    "Seed": "The number that fixes all random choices: the same seed gives the same split, weights and batches.",
    "Split": "Which cases train, which validate and which test. All studies of a patient are in the same part.",
    "Step": "One change of the weights, after one batch.",
    "Validation Dice": "Mean Dice on the validation cases, never on the test cases. The weights of its best step "
    "become the checkpoint.",
}

RESULTS = {
    "Results": "A folder with the measured rows of every case and source, the predicted masks, and a manifest that "
    "says how they were made.",
    "Manifest": "The file manifest.json of a results folder: data set, region, sources, versions, settings and "
    "problems.",
    "Imported table": "Metrics that another tool has computed, one value a case. Each keeps the tool's name, such as "
    "Dice (nnU-Net), and is never compared with one that was measured here.",
    "Source": "Where predictions come from: a checkpoint, a weights file of the paper's authors, or a folder of "
    "masks or probabilities. A comparison has one or more, each in its own colour.",
    "Probability map": "An image that says for each voxel how likely it is tumour, from 0 to 1.",
    "Missing prediction": "A case for which a source has no usable file. It is counted and is in none of the "
    "source's means.",
    "Synthetic": "Drawn by a program, not measured on a patient. The demo cohort is.",
    "Cohort": "The cases that are looked at together.",
}
