// What the C++ programs of USE.md call of OpenCV, for a compiler that checks their syntax where there is no OpenCV.
#pragma once
#include <functional>
#include <ostream>
#include <string>
#include <vector>

using uchar = unsigned char;
enum { CV_8U, CV_32F, CV_64F, CV_8UC3 };

namespace cv {
template <class T> T saturate_cast(int value);
struct Size { Size(); Size(int width, int height); int width, height; };
struct Rect { Rect(int x, int y, int width, int height); int x, y, width, height; };
struct Scalar { Scalar(); double& operator[](int i); };
struct Vec3b { Vec3b(int, int, int); uchar& operator[](int i); const uchar& operator[](int i) const; };
struct Point2f { float x, y; };
inline Point2f operator+(Point2f a, Point2f b) { return {a.x + b.x, a.y + b.y}; }
struct Matx33d {
    Matx33d();
    Matx33d(double, double, double, double, double, double, double, double, double);
    explicit Matx33d(const double* values);
    static Matx33d eye();
    Matx33d inv() const;
    double operator()(int row, int column) const;
};
Matx33d operator*(const Matx33d&, const Matx33d&);
Matx33d operator*(const Matx33d&, double);
struct MatSize { Size operator()() const; int operator[](int i) const; };
struct Mat {
    Mat();
    Mat(int rows, int columns, int type);
    Mat(int rows, int columns, int type, void* data);
    Mat(int dimensions, const int* sizes, int type);
    Mat(Size size, int type);
    explicit Mat(const Matx33d&);
    static Mat zeros(int rows, int columns, int type);
    Mat row(int i) const;
    Mat t() const;
    Mat reshape(int channels, int rows) const;
    Mat operator()(const Rect&) const;
    void copyTo(const Mat&) const;
    void convertTo(Mat&, int type, double scale = 1) const;
    template <class T> T& at(int row, int column);
    template <class T> const T& at(int row, int column) const;
    template <class T> T* ptr(int i = 0);
    template <class T> T* ptr(int i, int j);
    template <class T> void forEach(const std::function<void(T&, const int*)>& call);
    bool empty() const;
    Mat clone() const;
    MatSize size;
    int rows, cols;
};
Mat operator*(const Mat&, const Mat&);
std::ostream& operator<<(std::ostream&, const Mat&);
enum { INTER_NEAREST, INTER_LINEAR, WARP_INVERSE_MAP = 16, BORDER_REPLICATE = 1, COLOR_RGB2BGR = 4 };
Scalar sum(const Mat&);
Mat imread(const std::string& path);
bool imwrite(const std::string& path, const Mat&);
void resize(const Mat&, Mat&, Size, double = 0, double = 0, int = INTER_LINEAR);
void cvtColor(const Mat&, Mat&, int code);
void copyMakeBorder(const Mat&, Mat&, int, int, int, int, int kind);
void warpPerspective(const Mat&, Mat&, const Matx33d&, Size, int = INTER_LINEAR, int = 0);
enum { USAC_MAGSAC = 38 };
Mat findHomography(const std::vector<Point2f>& from, const std::vector<Point2f>& to, int method, double threshold);
Mat getPerspectiveTransform(const Point2f from[], const Point2f to[]);
namespace dnn {
struct Net { void setInput(const Mat&, const std::string& name); Mat forward(const std::string& name); };
Net readNetFromONNX(const std::string& path);
Mat blobFromImage(const Mat&, double = 1, const Size& = Size(), const Scalar& = Scalar(), bool swap = false);
void imagesFromBlob(const Mat&, std::vector<Mat>&);
}  // namespace dnn
}  // namespace cv
