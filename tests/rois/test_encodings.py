"""ROI files in other encodings and with other separators."""

import json

import numpy as np
import pytest

from napari_microenhance.errors import RoiError
from napari_microenhance.rois.labelme import read_labelme
from napari_microenhance.rois.roi_formats import read_roi

HEAD = "index,shape-type,vertex-index,axis-0,axis-1"
ROWS = ["0,polygon,0,1.5,2", "0,polygon,1,1.5,8.25", "0,polygon,2,7,8.25"]
CSV = "\n".join([HEAD, *ROWS]) + "\n"
RING = [[4, 3], [9, 3], [9, 8], [4, 3]]
LABELME = json.dumps(
    {
        "shapes": [{"label": "细胞", "points": RING[:3], "shape_type": "polygon"}],
        "imagePath": "图.png",
        "imageData": None,
    },
    ensure_ascii=False,
)
GEOJSON = json.dumps(
    {
        "type": "Feature",
        "geometry": {"type": "Polygon", "coordinates": [RING]},
        "properties": {"name": "细胞"},
    },
    ensure_ascii=False,
)
TEXTS = {"a.csv": CSV, "a.json": LABELME, "a.geojson": GEOJSON}


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize(
    ("encoding", "told"),
    [
        ("utf-8", ""),
        ("utf-8-sig", ""),
        ("utf-16", "UTF-16"),
        ("utf-16-le", "UTF-16"),
        ("utf-16-be", "UTF-16"),
        ("utf-32", "UTF-32"),
        ("gbk", "GB18030 (GBK)"),
        ("gb18030", "GB18030 (GBK)"),
    ],
)
def test_every_encoding_is_read_and_said(tmp_path, name, encoding, told):
    (tmp_path / name).write_bytes(TEXTS[name].encode(encoding))
    file = read_roi(tmp_path / name)
    assert len(file.polygons) == 1
    said = " ".join(map(str, file.notes))
    if name == "a.csv" and encoding.startswith("gb"):  # nothing but ASCII in it
        told = ""
    assert (told in said) if told else (said == "")
    if name != "a.csv":
        assert file.labels == ("细胞",)


def test_labelme_on_its_own_is_read_in_any_encoding(tmp_path):
    (tmp_path / "a.json").write_bytes(LABELME.encode("utf-16"))
    assert read_labelme(tmp_path / "a.json").shapes[0].label == "细胞"


def test_text_in_no_known_encoding_is_named(tmp_path):
    (tmp_path / "a.json").write_bytes(b'{"shapes": "\xff"}')
    with pytest.raises(RoiError, match="neither UTF-8, UTF-16 nor GBK; save it as UTF-8"):
        read_roi(tmp_path / "a.json")
    (tmp_path / "b.json").write_bytes("ab{".encode("utf-16") + b"x")
    with pytest.raises(RoiError, match=r"b\.json is damaged: it starts as UTF-16 text"):
        read_roi(tmp_path / "b.json")


@pytest.mark.parametrize(
    "text",
    [
        CSV.replace(",", ";"),
        CSV.replace(",", ";").replace(".", ","),
        CSV.replace(",", "\t"),
        "sep=;\n" + CSV.replace(",", ";"),
        CSV.replace("\n", "\r\n"),
        "\n" + CSV,
    ],
)
def test_tables_with_other_separators_and_decimal_commas(tmp_path, text):
    (tmp_path / "a.csv").write_text(text, newline="")
    (polygon,) = read_roi(tmp_path / "a.csv").polygons
    np.testing.assert_array_equal(polygon, [[1.5, 2], [1.5, 8.25], [7, 8.25]])


def test_the_line_of_a_damaged_table_is_named(tmp_path):
    (tmp_path / "a.csv").write_text(CSV + '0,polygon,3,"' + "9" * 200_000 + '",1\n')
    with pytest.raises(RoiError, match=r"a\.csv, line 5: "):
        read_roi(tmp_path / "a.csv")
